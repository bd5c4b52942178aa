import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { checkJson } from '../cli/json-form.ts'
import { exportAndVerify } from './audit.ts'
import { GovernedHost, NEEDS_ROOT } from './governed-host.ts'

/** Where a segment's batches begin, past its header. */
const HEADER = 104

describe.skipIf(NEEDS_ROOT !== null)('a lineage that cannot go on (needs root)', () => {
  let host: GovernedHost
  let operator: readonly string[]
  let log: string
  const artifacts: Record<string, string> = {}
  const run = (name: string) =>
    host.writ(['run', '--artifact', artifacts[name] ?? expect.fail(name), '--', '/bin/true'])
  const issue = async (name: string, uses: string) => {
    artifacts[name] = await host.issue(name, ['/bin/true'], ['--uses', uses])
  }
  const recover = (...args: string[]) =>
    host.writ(['lineage', 'recover', '--state-dir', host.path('state'), ...args])
  const policy = async (version: number) => {
    const out = host.path(`policy-${version}.json`)
    await host.ok(
      ...['policy', 'sign', host.path('policies'), '--version', String(version), '--valid', 'any'],
      ...[...operator, '--out', out],
    )
    return out
  }
  const tail = () => join(log, 'state/tail', readdirSync(join(log, 'state/tail')).sort()[0] ?? '')
  /** Changes a byte of a file. */
  const damage = (path: string, at: number) => {
    const bytes = readFileSync(path)
    bytes[at] = (bytes[at] ?? 0) ^ 0xff
    writeFileSync(path, bytes)
  }
  /** The daemon does not start, and says what is wrong and what to do. */
  const refuses = async (code: string) => {
    await expect(host.startDaemon()).rejects.toThrow('writd ended')
    expect(host.daemonLog).toContain(`[${code}]; see \`writ lineage recover`)
  }

  beforeAll(async () => {
    host = await GovernedHost.start({ enrolled: true })
    operator = ['--key', host.path('operator.key')]
    log = host.path('state/lineage')
    await host.ok('key', 'new', host.path('stranger'))
    for (const name of ['revoked', 'any']) await issue(name, 'any')
    for (const name of ['once', 'kept']) await issue(name, '1')
    expect((await run('once')).stderr).toBe('')
    await host.ok('policy', 'load', await policy(2))
    await host.ok('revoke', '--artifact', artifacts.revoked ?? '', ...operator)
  }, 120_000)
  afterAll(() => host?.close())

  test('is not recovered while the daemon has it open, nor while nothing is wrong with it', async () => {
    expect((await recover('--yes')).stderr).toContain('Stop writd first')
    await host.stopDaemon()
    const fine = await recover('--yes')
    expect(fine.code).toBe(1)
    expect(fine.stderr).toContain('no fault is found')
    expect(existsSync(`${log}.epoch-1`)).toBe(false)
  })

  test('is put aside as it is, and the new one permits nothing until an operator with the key accepts exactly it', async () => {
    damage(tail(), HEADER + 40)
    await refuses('LINEAGE_BROKEN')
    cpSync(log, host.path('copy'), { recursive: true })
    const asked = await recover()
    expect(asked.stderr).toContain('--yes')
    const done = await recover('--yes', '--json')
    expect(done.stderr).toContain('LINEAGE_BROKEN')
    await checkJson(['lineage', 'recover', '--json'], done.stdout, '')
    expect(JSON.parse(done.stdout)).toMatchObject({
      epoch: 2,
      origin: `writ/${host.hostId}/epoch-2`,
      aside: `${log}.epoch-1`,
      carried: { revocations: 1 },
      lost: [],
    })
    await host.startDaemon()
    for (const name of ['any', 'kept']) expect((await run(name)).stderr).toContain('LINEAGE_NEW_EPOCH')
    const status = await host.ok('status')
    expect(status).toContain('writ clear --new-epoch')
    const { newEpoch } = await host.status()
    const { counter, size, root } = newEpoch as { counter: string; size: string; root: string }
    const refused = async (why: string, ...args: string[]) => {
      const cleared = await host.writ(['clear', ...args])
      expect(cleared.stderr).toContain(why)
      expect(cleared.code).toBe(1)
    }
    await refused('DOCUMENT_UNSIGNED', '--new-epoch', '--key', host.path('stranger.key'))
    for (const other of [
      `3:${counter}:${size}:${root}`,
      `2:${BigInt(counter) + 1n}:${size}:${root}`,
      `2:${counter}:${Number(size) + 1}:${root}`,
      `2:${counter}:${size}:${'0'.repeat(64)}`,
    ])
      await refused('CLEARANCE_NOT_APPLICABLE', '--new-epoch', ...operator, '--found', other)
    await refused(
      'CLEARANCE_NOT_APPLICABLE',
      ...['--rollback', ...operator, '--found', `${counter}:${size}:${root}`],
    )
    // A record of the counter that somebody forged does not stand for an operator.
    await host.stopDaemon('SIGKILL')
    const forged = { counter, done: true, published: null, root, size: Number(size), v: 1 }
    writeFileSync(join(log, 'state/anchor'), JSON.stringify(forged))
    await expect(host.startDaemon()).rejects.toThrow('no operator accepted')
    rmSync(join(log, 'state/anchor'))
    // It goes on waiting after a start, and for the same.
    await host.startDaemon()
    expect((await host.status()).newEpoch).toMatchObject({ epoch: '2', size, root })
    await host.ok('clear', '--new-epoch', ...operator, '--out', host.path('accepted.json'))
    await host.ok('clear', '--send', host.path('accepted.json'))
    await host.attested()
    // The policy of the configuration is older than what the old log knew.
    expect((await run('any')).stderr).toContain('POLICY')
    await refused('CLEARANCE_NOT_APPLICABLE', '--send', host.path('accepted.json'))
  })

  test('forgets nothing that forbids, brings no use back, and runs all else', async () => {
    expect((await host.writ(['policy', 'load', host.path('policy.json')])).stderr).toContain('ROLLED_BACK')
    await host.ok('policy', 'load', host.path('policy-2.json'))
    for (const name of ['once', 'kept']) expect((await run(name)).stderr).toContain('REPLAYED')
    expect((await run('revoked')).stderr).toContain('REVOKED')
    expect((await run('any')).stderr).toBe('')
    await issue('later', '1')
    expect((await run('later')).code).toBe(0)
    expect((await run('later')).stderr).toContain('REPLAYED')
  })

  test('verifies, and the log that was put aside is held against its first entry', async () => {
    const report = await exportAndVerify(host, 'bundle')
    expect(report).not.toContain('FAILED')
    expect(report).toMatch(/VERIFIED +epoch/)
    expect(report).toMatch(/VERIFIED +acceptance of the epoch/)
    expect(report).toMatch(/NOT CHECKED +log before this one/)
    const verify = (previous: string) =>
      host.writ([
        ...['verify', host.path('bundle'), '--operator-key', host.path('operator.pub')],
        ...['--host', host.hostId, '--previous', previous],
      ])
    const held = await verify(`${log}.epoch-1`)
    expect(held.stdout).toMatch(/VERIFIED +log before this one/)
    expect(held.code).toBe(0)
    // The copy was made before, and so is the same but for what is in it.
    expect((await verify(host.path('copy'))).code).toBe(0)
    writeFileSync(host.path('copy/more'), '')
    const other = await verify(host.path('copy'))
    expect(other.stdout).toMatch(/FAILED +log before this one.*more/)
    expect(other.code).toBe(1)
  })

  const withoutTail = () => rmSync(join(log, 'state/tail'), { recursive: true })
  test.each<[string, number, () => Promise<void> | void]>([
    ['without its tail', 3, () => withoutTail()],
    ['whose checkpoint is damaged', 4, () => damage(join(log, 'checkpoint'), 3)],
    // Nothing is left of it: the tail was all that it had, and what forbids is in the log before.
    [
      'that was never accepted and has lost all',
      6,
      () => {
        withoutTail()
        return recover('--yes').then(withoutTail)
      },
    ],
  ])('recovers again from one %s', async (_, epoch, breaks) => {
    await host.stopDaemon()
    await breaks()
    await expect(host.startDaemon()).rejects.toThrow('writd ended')
    expect(JSON.parse((await recover('--yes', '--json')).stdout)).toMatchObject({ epoch })
    await host.startDaemon()
    await host.ok('clear', '--new-epoch', ...operator)
    await host.attested()
    await host.ok('policy', 'load', host.path('policy-2.json'))
    expect((await run('revoked')).stderr).toContain('REVOKED')
    expect((await run('later')).stderr).toContain('REPLAYED')
    expect((await run('any')).stderr).toBe('')
    const logs = readdirSync(host.path('state')).filter(name => name.startsWith('lineage'))
    const aside = Array.from({ length: epoch - 1 }, (_, i) => `lineage.epoch-${i + 1}`)
    expect(logs.sort()).toEqual(['lineage', ...aside])
  })
})
