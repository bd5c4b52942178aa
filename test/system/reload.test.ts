import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { GovernedHost, NEEDS_ROOT } from './governed-host.ts'

interface Configuration {
  readonly digest: string
  readonly lineageIndex: string
  readonly waiting: string[]
  readonly reloadTime: string
  readonly refusal: string
}

describe.skipIf(NEEDS_ROOT !== null)('SIGHUP on a governed host', () => {
  let host: GovernedHost
  let first: string
  beforeAll(async () => {
    host = await GovernedHost.start()
    first = readFileSync(host.path('writd.toml'), 'utf8')
  }, 120_000)
  afterAll(() => host?.close())

  const configuration = async () => (await host.status()).configuration as Configuration

  /** Writes the file with lines added to sections, hangs up, and waits for the outcome. */
  async function reload(changes: Record<string, string>): Promise<Configuration> {
    const before = await configuration()
    let text = first
    for (const [section, lines] of Object.entries(changes))
      text = text.replace(`[${section}]\n`, `[${section}]\n${lines}\n`)
    writeFileSync(host.path('writd.toml'), text)
    process.kill(host.daemonPid, 'SIGHUP')
    await expect
      .poll(async () => (await configuration()).reloadTime, { timeout: 10_000 })
      .not.toBe(before.reloadTime)
    return configuration()
  }

  test('a change is in force for the next request, is in the log, and ends nothing', async () => {
    const artifact = await host.issue('sleep', ['/bin/sleep', '60'])
    const running = host.spawnWrit(['run', '--artifact', artifact, '--', '/bin/sleep', '60'])
    await expect.poll(async () => (await host.status()).executions, { timeout: 10_000 }).toBe(1)
    const before = await configuration()
    expect(before).toMatchObject({ waiting: [], reloadTime: '', refusal: '' })

    const after = await reload({ execution: 'max_executions = 1', daemon: 'log_level = "debug"' })
    expect(after).toMatchObject({ waiting: [], refusal: '' })
    expect(after.digest).not.toBe(before.digest)
    const denied = await host.writ(['run', '--artifact', artifact, '--', '/bin/sleep', '60'])
    expect({ code: denied.code, capacity: denied.stderr.includes('CAPACITY') }).toEqual({
      code: 1,
      capacity: true,
    })
    // What runs goes on.
    expect((await host.status()).executions).toBe(1)

    const shown = JSON.parse(await host.ok('lineage', 'show', after.lineageIndex, '--json'))
    expect(shown.event).toMatchObject({
      type: 'config',
      digest: after.digest,
      changed: ['daemon.log_level', 'execution.max_executions'],
    })
    running.kill('SIGTERM')
    await new Promise(resolve => running.once('close', resolve))
    expect(await reload({})).toMatchObject({ digest: before.digest, refusal: '' })
  })

  test('what `writ config` says of the file is what the daemon has in force', async () => {
    const good = await host.ok('config', 'check', host.path('writd.toml'))
    expect(good).toContain('good')
    const shown = JSON.parse(await host.ok('config', 'show', host.path('writd.toml'), '--json'))
    expect(shown.digest).toBe((await configuration()).digest)
    const launchd = readFileSync(host.path('launchd.conf'), 'utf8')
    writeFileSync(host.path('other.conf'), launchd.replace('uids = 70000', 'uids = 70001'), { mode: 0o600 })
    const other = ['config', 'check', host.path('writd.toml'), '--launchd', host.path('other.conf'), '--json']
    const { code, stdout } = await host.writ(other)
    expect(code).toBe(1)
    expect(JSON.parse(stdout).findings).toMatchObject([
      { severity: 'error', code: 'FILES_DISAGREE', key: 'execution.uid_range' },
    ])
  })

  test('an auditor that is taken out loses what it may', async () => {
    const uid = 65_001
    const list = async () => (await host.writ(['lineage', 'tail', '--json'], { uid })).stdout.length
    expect(await list()).toBe(0)
    await reload({ access: `auditors = [0, ${uid}]` })
    expect(await list()).toBeGreaterThan(0)
    await reload({})
    expect(await list()).toBe(0)
  })

  test('a file that is wrong changes nothing, is named in status and log, and does not end the daemon', async () => {
    const before = await configuration()
    const wrong = await reload({ quota: 'calls = 7\nconection = 3' })
    expect(wrong).toMatchObject({ digest: before.digest, lineageIndex: before.lineageIndex })
    expect(wrong.refusal).toMatch(/^CONFIG_UNKNOWN_KEY, quota\.conection, line \d+$/)
    expect(host.daemonLog).toContain('did you mean quota.connections?')
    expect(await host.ok('status')).toContain('quota.conection')
    await host.attested()
    expect(await reload({})).toMatchObject({ refusal: '' })
  })

  test('a key that needs a restart is named and waits for it', async () => {
    const before = await configuration()
    const waits = await reload({ rpc: 'max_connections = 99', attestation: 'recovery = "auto"' })
    expect(waits).toMatchObject({
      digest: before.digest,
      waiting: ['attestation.recovery', 'rpc.max_connections'],
    })
    expect(await host.ok('status')).toContain('rpc.max_connections')
    await reload({})
  })

  test('the evidence lasts as long as the new age says, and what the log proves still verifies', async () => {
    await reload({ attestation: '', minting: 'enabled = true' })
    const short = await host.ok('status', '--json')
    expect(Number(JSON.parse(short).leaseRemainingMs)).toBeLessThanOrEqual(5000)
    first = first.replace('max_evidence_age_seconds = 5', 'max_evidence_age_seconds = 20')
    await reload({})
    await expect
      .poll(async () => Number((await host.status()).leaseRemainingMs), { timeout: 5000 })
      .toBeGreaterThan(10_000)
    const artifact = await host.issue('true', ['/bin/true'])
    await host.ok('run', '--artifact', artifact, '--', '/bin/true')
    await host.ok('lineage', 'export', host.path('bundle'), '--state-dir', host.path('state'))
    const verified = await host.writ([
      ...['verify', host.path('bundle'), '--operator-key', host.path('operator.pub'), '--json'],
    ])
    const properties = JSON.parse(verified.stdout).properties as {
      property: string
      status: string
      detail: string
    }[]
    expect(properties.filter(({ status }) => status === 'FAILED')).toEqual([])
    expect(properties).toContainEqual(
      expect.objectContaining({ property: 'configurations in force', status: 'VERIFIED' }),
    )
  })

  test('a hangup while the daemon still starts does not end it', async () => {
    await host.stopDaemon()
    const starting = host.startDaemon()
    let early = 0
    const timer = setInterval(() => {
      if (!catchesHangup(host.daemonPid)) return
      process.kill(host.daemonPid, 'SIGHUP')
      early++
    }, 5)
    await starting
    clearInterval(timer)
    expect(early).toBeGreaterThan(0)
    await host.attested()
    await expect.poll(async () => (await configuration()).reloadTime, { timeout: 5000 }).not.toBe('')
    expect((await configuration()).refusal).toBe('')
  })
})

/** Before Node has set its handler a signal does what it does to every program. SIGHUP is the lowest bit (proc(5)). */
function catchesHangup(pid: number): boolean {
  if (pid === 0 || !existsSync(`/proc/${pid}/status`)) return false
  const caught = /^SigCgt:\t([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return caught !== undefined && (BigInt(`0x${caught}`) & 1n) === 1n
}
