import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { GovernedHost, NEEDS_ROOT } from './governed-host.ts'

/** Processes of this machine whose command line has the marker. */
function alive(marker: string): number[] {
  return readdirSync('/proc')
    .filter(name => /^[0-9]+$/.test(name))
    .map(Number)
    .filter(pid => {
      try {
        const line = readFileSync(`/proc/${pid}/cmdline`, 'latin1')
        return line.includes(marker) && !line.includes('main.ts')
      } catch {
        return false
      }
    })
}

describe.skipIf(NEEDS_ROOT !== null)('what ends an execution', () => {
  let host: GovernedHost
  beforeAll(async () => {
    host = await GovernedHost.start()
  }, 120_000)
  afterAll(() => host?.close())

  const executions = async (): Promise<{ executionId: string; state: string }[]> =>
    JSON.parse(await host.ok('executions', '--json')).executions

  let frozen: Awaited<ReturnType<typeof start>> | undefined
  let count = 0
  /** Starts a workload that forks away from its parent and ignores signals, and waits until all of it runs. */
  async function start(...options: string[]): Promise<{ marker: string; ended: Promise<number | null> }> {
    const marker = String(90_000_000 + ++count)
    const script = `trap '' TERM INT HUP; (setsid sleep ${marker} & setsid sh -c 'sleep ${marker} & sleep ${marker}' &) ; sleep ${marker}`
    const command = ['/bin/sh', '-c', script]
    const artifact = await host.issue(`long-${marker}`, command, options)
    const child = host.spawnWrit(['run', '--artifact', artifact, '--', ...command])
    const ended = new Promise<number | null>(resolve => child.once('close', resolve))
    child.stdin?.end()
    await expect.poll(() => alive(marker).length, { timeout: 15_000 }).toBeGreaterThanOrEqual(4)
    return { marker, ended }
  }

  test('the TPM hangs: the gate goes stale, it ends, and all is well again when the TPM is back', async () => {
    const small = await host.issue('small', ['/bin/true'])
    const { marker, ended } = await start()
    frozen = await start('--on-lapse', 'freeze', '--grace', '1m')
    host.tpm.hang()
    try {
      expect(await ended).not.toBe(0)
      expect(alive(marker)).toEqual([])
      await host.until('STALE')
      expect((await executions()).map(({ state }) => state)).toEqual(['FROZEN'])
      expect(alive(frozen.marker).length).toBeGreaterThanOrEqual(4)
      const denied = await host.writ(['run', '--artifact', small, '--', '/bin/true'])
      expect(denied.code).toBe(1)
      expect(denied.stderr).toContain('ATTESTATION_STALE')
    } finally {
      host.tpm.resume()
    }
    await host.attested()
  })

  test('one that was frozen goes on under a decision of the new epoch, and ends with the policy that permits it', async () => {
    const states = async () => (await executions()).map(({ state }) => state)
    await expect.poll(states, { timeout: 15_000 }).toEqual(['RUNNING'])
    const id = (await executions())[0]?.executionId ?? ''
    expect(await host.ok('explain', id)).toMatch(/FREEZE .*RENEW .*THAW /s)
    mkdirSync(host.path('forbidding'))
    writeFileSync(host.path('forbidding/all.cedar'), 'permit (principal, action, resource);\n')
    writeFileSync(
      host.path('forbidding/shells.cedar'),
      'forbid (principal, action, resource) when { context.request.argv.contains("/bin/sh") };\n',
    )
    const out = host.path('forbidding.json')
    const key = ['--valid', 'any', '--key', host.path('operator.key')]
    await host.ok('policy', 'sign', host.path('forbidding'), '--version', '2', ...key, '--out', out)
    await host.ok('policy', 'load', out)
    expect(await frozen?.ended).not.toBe(0)
    expect(alive(frozen?.marker ?? '')).toEqual([])
    expect(await host.ok('explain', id)).toContain('did not hold any more: forbidden by')
    rmSync(host.path('forbidding/shells.cedar'))
    await host.ok('policy', 'sign', host.path('forbidding'), '--version', '3', ...key, '--out', `${out}.3`)
    await host.ok('policy', 'load', `${out}.3`)
    // Every decision anew gives the same bytes, and every thaw had one.
    const bundle = host.path('frozen-bundle')
    await host.ok('lineage', 'export', bundle, '--state-dir', host.path('state'))
    const { stdout } = await host.writ(['verify', bundle, '--operator-key', host.path('operator.pub')])
    // A command that the TPM answers late can make the evidence too old once more.
    const times = Number(/; (\d+) freezes, \1 thaws, each permitted anew/.exec(stdout)?.[1])
    expect(times).toBeGreaterThan(0)
    expect(stdout).toContain(`and ${times + 1} decisions on what was permitted before`)
    expect(stdout).not.toContain('FAILED')
  })

  test('after an unclean stop an artifact with limited uses counts as used', async () => {
    const artifact = await host.issue('limited', ['/bin/true'], ['--uses', '5'])
    await host.stopDaemon('SIGKILL')
    await host.startDaemon()
    await host.attested()
    const done = await host.writ(['run', '--artifact', artifact, '--', '/bin/true'])
    expect(done.code).toBe(1)
    expect(done.stderr).toContain('REPLAYED')
  })

  test('a PCR is extended: it fails, everything ends, and it stays so across a restart', async () => {
    const { marker, ended } = await start()
    const tpm = host.tpm.connect()
    try {
      await tpm.pcrExtend(4, [
        { bank: 'sha1', digest: Buffer.alloc(20, 1) },
        { bank: 'sha256', digest: Buffer.alloc(32, 1) },
      ])
    } finally {
      await tpm.close()
    }
    expect(await ended).not.toBe(0)
    expect(alive(marker)).toEqual([])
    await host.until('FAILED')
    const artifact = await host.issue('after', ['/bin/true'])
    const denied = await host.writ(['run', '--artifact', artifact, '--', '/bin/true'])
    expect(denied.code).toBe(1)
    expect(denied.stderr).toContain('ATTESTATION_FAILED')
    // Even a TPM that is as it should be again does not open the gate by itself.
    await host.stopDaemon()
    await host.boot()
    await host.startDaemon()
    await host.until('FAILED')
    expect((await host.writ(['run', '--artifact', artifact, '--', '/bin/true'])).stderr).toContain(
      'ATTESTATION_FAILED',
    )
  })
})
