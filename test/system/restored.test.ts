import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startSimulatedTpm } from '../../attestation/tpm2/swtpm/index.ts'
import { programs } from '../support/programs.ts'
import { exportAndVerify } from './audit.ts'
import { WRITD } from './governed-config.ts'
import { GovernedHost, NEEDS_ROOT } from './governed-host.ts'

describe.skipIf(NEEDS_ROOT !== null)('a state directory that was put back (needs root)', () => {
  let host: GovernedHost
  let operator: readonly string[]
  const artifacts: Record<string, string> = {}
  const run = (name: string) =>
    host.writ(['run', '--artifact', artifacts[name] ?? expect.fail(name), '--', '/bin/true'])
  const copy = (from: string, to: string) => {
    rmSync(host.path(to), { recursive: true, force: true })
    execFileSync('cp', ['-a', host.path(from), host.path(to)])
  }
  const issue = async (name: string, uses: string) => {
    artifacts[name] = await host.issue(name, ['/bin/true'], ['--uses', uses])
  }

  beforeAll(async () => {
    host = await GovernedHost.start({ enrolled: true })
    operator = ['--key', host.path('operator.key')]
    await host.ok('key', 'new', host.path('stranger'))
    await issue('once', '1')
    await issue('twice', '2')
    await issue('any', 'any')
    expect((await run('twice')).stderr).toBe('')
    await host.stopDaemon()
    copy('state', 'yesterday')
    await host.startDaemon()
    await host.attested()
    expect((await run('once')).code).toBe(0)
    expect((await run('once')).stderr).toContain('REPLAYED')
    expect((await run('twice')).code).toBe(0)
    // Somebody elsewhere has seen the log of today.
    await host.ok('lineage', 'export', host.path('seen'), '--state-dir', host.path('state'))
    await host.stopDaemon()
    copy('yesterday', 'state')
    await host.startDaemon()
  }, 180_000)
  afterAll(() => host?.close())

  test('permits nothing, says why and what to do, and goes on saying so after another start', async () => {
    for (const restart of [false, true]) {
      if (restart) {
        await host.stopDaemon('SIGKILL')
        await host.startDaemon()
      }
      for (const name of ['once', 'any']) {
        const { code, stderr } = await run(name)
        expect(code).toBe(1)
        expect(stderr).toContain('LINEAGE_BROKEN')
        expect(stderr).toContain('LINEAGE_ROLLED_BACK')
      }
      const status = await host.ok('status')
      expect(status).toContain('LINEAGE_ROLLED_BACK')
      expect(status).toContain('writ clear --rollback')
      const { rolledBack, state } = await host.status()
      expect(state).toBe('UNATTESTED')
      expect(rolledBack).toMatchObject({ root: expect.stringMatching(/^[0-9a-f]{64}$/) })
      const metrics = await host.ok('metrics', '--from', host.path('metrics/metrics.sock'))
      expect(metrics).toContain('writ_gate_state{state="UNATTESTED"} 1\n')
      expect(metrics).toContain('writ_decisions_unrecorded_total 2\n')
    }
  })

  test('is accepted by nobody but a governor with the key, for this host, and for exactly what was found', async () => {
    const { rolledBack } = await host.status()
    const { counter, size, root } = rolledBack as { counter: string; size: string; root: string }
    const out = host.path('wrong.json')
    const refused = async (args: readonly string[], why: string) => {
      rmSync(out, { force: true })
      const done = await host.writ(['clear', ...args])
      expect(done.stderr).toContain(why)
      expect(done.code).toBe(1)
    }
    await refused(['--rollback', '--key', host.path('stranger.key')], 'DOCUMENT_UNSIGNED')
    const other = (found: string) => ['--rollback', ...operator, '--found', found]
    await refused(other(`${counter}:${Number(size) - 1}:${root}`), 'CLEARANCE_NOT_APPLICABLE')
    await refused(other(`${BigInt(counter) + 1n}:${size}:${root}`), 'CLEARANCE_NOT_APPLICABLE')
    await refused(other(`${counter}:${size}:${'0'.repeat(64)}`), 'CLEARANCE_NOT_APPLICABLE')
    await refused(
      ['--rollback', ...operator, '--host', `000b${'0'.repeat(64)}`, '--found', `${counter}:${size}:${root}`],
      'CLEARANCE_NOT_APPLICABLE',
    )
    await refused(['--tail', ...operator, '--entry', size], 'CLEARANCE_NOT_APPLICABLE')
    const good = host.path('good.json')
    await host.ok('clear', '--rollback', ...operator, '--out', good)
    expect((await host.writ(['clear', '--send', good], { uid: 65_001 })).code).toBe(1)
    expect((await host.status()).rolledBack).not.toBeNull()
  })

  test('goes on once it is accepted: what was limited and valid before stays used, and all else runs', async () => {
    await host.ok('clear', '--send', host.path('good.json'))
    await host.attested()
    for (const name of ['once', 'twice']) expect((await run(name)).stderr).toContain('REPLAYED')
    expect((await run('any')).code).toBe(0)
    await issue('later', '1')
    expect((await run('later')).code).toBe(0)
    expect((await run('later')).stderr).toContain('REPLAYED')
    const again = await host.writ(['clear', '--send', host.path('good.json')])
    expect(again.stderr).toContain('CLEARANCE_NOT_APPLICABLE')
    expect(await host.ok('status')).not.toContain('writ clear')
  })

  test('no start and no tail that is accepted later brings the lost uses back', async () => {
    await host.stopDaemon()
    await host.startDaemon()
    await host.attested()
    expect((await run('once')).stderr).toContain('REPLAYED')
    await host.stopDaemon('SIGKILL')
    await host.startDaemon()
    await host.attested()
    await host.ok('clear', '--tail', ...operator)
    for (const name of ['once', 'twice', 'later']) expect((await run(name)).stderr).toContain('REPLAYED')
    expect((await run('any')).code).toBe(0)
  })

  test('the log says so: it verifies and replays, and whoever has seen the lost one sees that it was cut off', async () => {
    const report = await exportAndVerify(host, 'bundle')
    expect(report).not.toContain('FAILED')
    expect(await host.ok('replay', host.path('bundle'), '--operator-key', host.path('operator.pub'))).toMatch(
      /^replayed: /m,
    )
    const seen = await host.writ([
      ...['verify', host.path('bundle'), '--operator-key', host.path('operator.pub'), '--host', host.hostId],
      ...['--earlier', join(host.path('seen'), 'lineage/checkpoint')],
    ])
    expect(seen.code).toBe(1)
    expect(seen.stdout).toMatch(/FAILED +consistency with earlier checkpoints/)
  })

  test('a second daemon on the same state directory is refused, and the first goes on', async () => {
    const config = host.path('second.toml')
    // A simulated TPM serves one at a time: the lock is not to be had whatever TPM the second one has.
    const tpm = await startSimulatedTpm({ dir: host.path('second-tpm') })
    try {
      chmodSync(host.path('second-tpm'), 0o755)
      for (const path of [tpm.paths.socket, tpm.paths.control]) chownSync(path, WRITD.uid, WRITD.gid)
      const text = readFileSync(host.path('writd.toml'), 'utf8')
        .replaceAll('writd.sock', 'second.sock')
        .replaceAll(host.tpm.paths.socket, tpm.paths.socket)
      writeFileSync(config, text, { mode: 0o644 })
      const second = spawn(join(await programs(), 'writd'), ['--config', config], { ...WRITD })
      let said = ''
      second.stderr.on('data', piece => (said += piece))
      const [status] = await once(second, 'exit')
      expect(status).not.toBe(0)
      expect(said).toContain('another writer has this lineage open')
    } finally {
      await tpm.stop()
    }
    expect((await run('any')).code).toBe(0)
  })
})
