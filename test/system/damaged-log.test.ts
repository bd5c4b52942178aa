import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { WritClient } from '../../proto/client.ts'
import { exportAndVerify, readLineage } from './audit.ts'
import { attempt, endingDaemon } from './bad-input/soundness.ts'
import { GovernedHost, NEEDS_ROOT } from './governed-host.ts'

const TRUE = { program: '/bin/true', argv: ['/bin/true'] }

describe.skipIf(NEEDS_ROOT !== null)('a log that is damaged far back (needs root)', () => {
  let host: GovernedHost
  let good: Buffer
  const bundle = () => host.path('state/lineage/tile/entries/000')
  const refuses = async (what: string) => {
    const { code, stderr } = await endingDaemon(host.path('writd.toml'))
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining(what) })
    expect(stderr).toMatch(/\[LINEAGE_BROKEN\].*writ lineage recover/)
  }

  beforeAll(async () => {
    host = await GovernedHost.start({ enrolled: true })
    good = readFileSync(await host.issue('good', TRUE.argv))
    const client = new WritClient(host.socket)
    const lane = async () => {
      for (let n = 0; n < 25; n++) await attempt(client, good, TRUE)
    }
    await Promise.all([lane(), lane(), lane(), lane()])
    client.close()
    // What is full becomes a tile at the next start at the latest.
    await host.stopDaemon()
    await host.startDaemon()
    await host.attested()
  }, 180_000)
  afterAll(() => host?.close())

  test('ends the daemon when somebody reads it, and keeps it from starting until the file is put back', async () => {
    const whole = readFileSync(bundle())
    const damaged = Buffer.from(whole)
    damaged.writeUInt8(damaged.readUInt8(1000) ^ 1, 1000)
    writeFileSync(bundle(), damaged)
    const client = new WritClient(host.socket)
    await expect(readLineage(client)).rejects.toThrow(/tile\/entries\/000/)
    client.close()
    expect(await host.daemonExit()).toBe(1)
    expect(host.daemonLog).toContain('the lineage is not whole')

    await refuses('tile/entries/000')
    rmSync(bundle())
    await refuses('tile/entries/000 is missing')

    writeFileSync(bundle(), whole, { mode: 0o644 })
    await host.startDaemon()
    await host.attested()
    const again = new WritClient(host.socket)
    expect(await attempt(again, good, TRUE)).toMatchObject({ refused: null })
    again.close()
    await exportAndVerify(host, 'whole')
  }, 120_000)
})
