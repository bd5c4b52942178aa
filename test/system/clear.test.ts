import { readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { GovernedHost, NEEDS_ROOT } from './governed-host.ts'

describe.skipIf(NEEDS_ROOT !== null)('an operator clears what only an operator may clear', () => {
  let host: GovernedHost
  let operator: readonly string[]
  beforeAll(async () => {
    host = await GovernedHost.start()
    operator = ['--key', host.path('operator.key')]
    await host.ok('key', 'new', host.path('stranger'))
  }, 120_000)
  afterAll(() => host?.close())

  const run = (artifact: string) => host.writ(['run', '--artifact', artifact, '--', '/bin/true'])
  /** Extends a PCR that the reference values judge, as a tampered host would. */
  const tamper = async () => {
    const tpm = host.tpm.connect()
    try {
      const digests = [
        { bank: 'sha1', digest: Buffer.alloc(20, 1) },
        { bank: 'sha256', digest: Buffer.alloc(32, 1) },
      ] as const
      await tpm.pcrExtend(4, [...digests])
    } finally {
      await tpm.close()
    }
  }

  test('the tail after an unclean stop: nothing of limited use counts until it is accepted, then and after a restart it does', async () => {
    const artifact = await host.issue('limited', ['/bin/true'], ['--uses', '3'])
    expect((await run(artifact)).code).toBe(0)
    expect(await host.ok('status')).not.toContain('writ clear')
    expect((await host.status()).doubtfulTail).toBeUndefined()
    await host.stopDaemon('SIGKILL')
    await host.startDaemon()
    await host.attested()

    expect((await run(artifact)).stderr).toContain('REPLAYED')
    expect(await host.ok('status')).toContain('writ clear --tail --key')
    const tail = Number((await host.status()).doubtfulTail)
    expect(tail).toBeGreaterThan(0)

    const nothing = await host.writ(['clear', '--failure', ...operator])
    expect(nothing.code).toBe(1)
    expect(nothing.stderr).toContain('no failure is in force')
    const stranger = await host.writ(['clear', '--tail', '--key', host.path('stranger.key')])
    expect(stranger.code).toBe(1)
    const other = await host.writ(['clear', '--tail', ...operator, '--entry', String(tail - 1)])
    expect(other.code).toBe(1)
    expect((await run(artifact)).stderr).toContain('REPLAYED')

    const file = host.path('tail.json')
    const written = JSON.parse(await host.ok('clear', '--tail', ...operator, '--out', file, '--json'))
    expect(written).toMatchObject({ host: host.hostId, clears: { kind: 'tail', tail } })
    // The signature alone is not enough: it has to come from a governor.
    const anyone = await host.writ(['clear', '--send', file], { uid: 65_001 })
    expect(anyone.code).toBe(1)
    const cleared = JSON.parse(await host.ok('clear', '--send', file, '--json'))
    expect(Number(cleared.lineageIndex)).toBeGreaterThan(tail)
    expect((await run(artifact)).code).toBe(0)
    expect(await host.ok('status')).not.toContain('writ clear')

    await host.stopDaemon()
    await host.startDaemon()
    await host.attested()
    expect((await run(artifact)).code).toBe(0)
    // Three uses in all, the one before the kill included.
    expect((await run(artifact)).stderr).toContain('REPLAYED')
    const again = await host.writ(['clear', '--send', file])
    expect(again.code).toBe(1)
    expect(again.stderr).toContain('CLEARANCE_NOT_APPLICABLE')
  })

  test('a failure: cleared it can fail again, a clearance is good for one, and a sound host then opens', async () => {
    const artifact = await host.issue('any', ['/bin/true'])
    await tamper()
    await host.until('FAILED')
    expect(await host.ok('status')).toContain('writ clear --failure --key')
    const first = Number((await host.status()).failureEntry)

    const file = host.path('failure.json')
    await host.ok('clear', '--failure', ...operator, '--out', file)
    await host.ok('clear', '--send', file)
    // The host is as tampered with as before: the next appraisal fails it anew.
    await expect.poll(async () => (await host.status()).failureEntry, { timeout: 10_000 }).toBeDefined()
    await host.until('FAILED')
    expect(Number((await host.status()).failureEntry)).toBeGreaterThan(first)
    const spent = await host.writ(['clear', '--send', file])
    expect(spent.code).toBe(1)
    expect(spent.stderr).toContain('CLEARANCE_NOT_APPLICABLE')

    await host.stopDaemon()
    await host.boot()
    await host.startDaemon()
    await host.until('FAILED')
    expect((await run(artifact)).stderr).toContain('ATTESTATION_FAILED')
    await host.ok('clear', '--failure', ...operator)
    await host.attested()
    expect((await run(artifact)).code).toBe(0)
    await host.stopDaemon()
    await host.startDaemon()
    await host.attested()
    expect(await host.ok('status')).not.toContain('writ clear')
  })

  test('signs without a daemon, for one host, and a changed clearance is nothing', async () => {
    const file = host.path('elsewhere.json')
    const id = `000b${'ab'.repeat(32)}`
    const offline = ['--socket', '/nonexistent/writd.sock', '--out', file]
    await host.ok('clear', '--failure', ...operator, '--host', id, '--entry', '7', ...offline)
    const elsewhere = await host.writ(['clear', '--send', file])
    expect(elsewhere.code).toBe(1)
    expect(elsewhere.stderr).toContain('it is for host')

    const envelope = JSON.parse(readFileSync(file, 'utf8'))
    const payload = Buffer.from(envelope.payload, 'base64').toString().replace(id, host.hostId)
    writeFileSync(file, JSON.stringify({ ...envelope, payload: Buffer.from(payload).toString('base64') }))
    const changed = await host.writ(['clear', '--send', file])
    expect(changed.code).toBe(1)
    expect(changed.stderr).toContain('DOCUMENT_UNSIGNED')
  })

  test('wrong use has exit status 2 and no stack trace', async () => {
    const wrong = [
      [],
      ['--failure', '--tail', '--key', 'x'],
      ['--failure'],
      ['--send', 'x', '--key', 'y'],
      ['--failure', '--key', 'x', '--entry', '-1'],
      ['--failure', '--key', host.path('missing.key')],
    ]
    for (const done of await Promise.all(wrong.map(args => host.writ(['clear', ...args])))) {
      expect(done.code).toBe(2)
      expect(done.stderr).not.toMatch(/^\s+at .*\.ts:/m)
    }
  })

  test('its help has an example', async () => {
    expect(await host.ok('clear', '--help')).toMatch(/Examples:\n\s+writ clear --failure/)
  })
})
