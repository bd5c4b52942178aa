import { execFileSync } from 'node:child_process'
import { chownSync, existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { GovernedHost, NEEDS_ROOT, WRITD } from './governed-host.ts'

interface Answer {
  readonly status: number
  readonly body: string
}

/** What a whole daemon tells of itself: its own socket, or one that is passed to it. */
describe.skipIf(NEEDS_ROOT !== null)('metrics', () => {
  let host: GovernedHost
  let programs: string
  beforeAll(async () => {
    programs = mkdtempSync(join(tmpdir(), 'writ-pass-'))
    execFileSync('gcc', ['-O1', '-o', join(programs, 'pass'), join(import.meta.dirname, 'pass-socket.c')])
    host = await GovernedHost.start()
  }, 120_000)
  afterAll(async () => {
    await host?.close()
    rmSync(programs, { recursive: true, force: true })
  })

  const socket = () => host.path('metrics/metrics.sock')
  const passing = () => [join(programs, 'pass'), 'stream', '1', '660', String(WRITD.uid), host.socket]

  /** Starts the daemon anew with a socket for metrics passed to it. */
  async function restart(metrics: string): Promise<void> {
    await host.stopDaemon()
    rmSync(`${host.socket}.lock`, { force: true })
    chownSync(host.path('run'), 0, 0)
    host.daemonLog = ''
    await host.startDaemon({ METRICS: metrics }, passing())
    await host.attested()
  }

  function get(path: string, where: object = { socketPath: socket() }): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const asked = request({ ...where, path, timeout: 5000 }, response => {
        let body = ''
        response.setEncoding('utf8')
        response.on('data', piece => (body += piece))
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body }))
      })
      asked.on('error', reject)
      asked.end()
    })
  }

  /** The value of one series now; null if there is none. */
  async function value(series: string): Promise<number | null> {
    const { body } = await get('/metrics')
    const line = body.split('\n').find(it => it.startsWith(`${series} `))
    return line === undefined ? null : Number(line.slice(series.length + 1))
  }

  /** Signs the next version of policy or trust roots, with the same content, for so long, and loads it. */
  async function load(what: 'policy' | 'trust', version: number, valid: string): Promise<void> {
    const words = what === 'policy' ? ['policy'] : ['key', 'trust']
    const content =
      what === 'policy' ? [host.path('policies')] : ['--authority', `release=${host.path('authority.pub')}`]
    const out = host.path(`${what}-${version}.json`)
    const signed = ['--version', String(version), '--valid', valid, '--key', host.path('operator.key')]
    await host.ok(...words, 'sign', ...content, ...signed, '--out', out)
    await host.ok(...words, 'load', out)
  }

  test('are told on the socket that was passed, as is what the host does', async () => {
    await restart(socket())
    const argv = ['/bin/sh', '-c', 'exit 3']
    const artifact = await host.issue('three', argv, ['--uses', '1'])
    expect((await host.writ(['run', '--artifact', artifact, '--', ...argv])).code).toBe(3)
    expect((await host.writ(['run', '--artifact', artifact, '--', ...argv])).code).not.toBe(0)
    const { status, body } = await get('/metrics')
    expect(status).toBe(200)
    for (const line of [
      'writ_gate_state{state="ATTESTED"} 1',
      'writ_gate_state{state="FAILED"} 0',
      'writ_decisions_total{outcome="permit"} 1',
      'writ_denial_reasons_total{reason="REPLAYED"} 1',
      'writ_execution_starts_total 1',
      'writ_execution_ends_total{cause="EXITED"} 1',
      'writ_execution_start_seconds_count 1',
      'writ_decision_seconds_count{operation="execute"} 2',
      'writ_executions{state="RUNNING"} 0',
      'writ_executions{state="KEPT"} 0',
      'writ_clock_trusted 1',
    ])
      expect(body).toContain(`${line}\n`)
    for (const [series, least, most] of [
      ['writ_evidence_age_seconds', 0, 5],
      ['writ_lease_remaining_seconds', 0.001, 5],
      ['writ_lineage_entries', 10, 1000],
      ['writ_lineage_fsync_seconds_count', 3, 10_000],
      ['writ_lineage_append_seconds_count', 3, 10_000],
      ['writ_tpm_command_seconds_count{command="Quote"}', 1, 100],
      ['writ_attestation_cycle_seconds_count', 1, 100],
      ['writ_gate_state_since_timestamp_seconds', Date.now() / 1000 - 60, Date.now() / 1000 + 1],
      ['writ_document_not_after_timestamp_seconds{document="trust_roots"}', Date.now() / 1000, 1e10],
      ['writ_state_free_bytes', 1, 1e15],
      ['writ_rpc_connections', 0, 10],
      ['process_resident_memory_bytes', 5e7, 4e8],
      ['process_open_fds', 10, 200],
    ] as const) {
      const seen = await value(series)
      expect(seen, series).toBeGreaterThanOrEqual(least)
      expect(seen, series).toBeLessThanOrEqual(most)
    }
    await expect.poll(() => value('writ_lease_left_at_renewal_seconds')).toBeGreaterThan(0.001)
    expect(await value('writ_lease_left_at_renewal_seconds')).toBeLessThan(5)
    expect(await get('/readyz')).toEqual({ status: 200, body: 'ATTESTED\n' })
    expect(await get('/healthz')).toEqual({ status: 200, body: 'ok\n' })
  }, 60_000)

  test('are shown by `writ metrics`, as they are and as JSON', async () => {
    const plain = await host.ok('metrics', '--from', socket())
    expect(plain).toContain('writ_gate_state{state="ATTESTED"} 1\n')
    const { families } = JSON.parse(await host.ok('metrics', '--from', socket(), '--json'))
    const gate = families.find(({ name }: { name: string }) => name === 'writ_gate_state')
    expect(gate).toMatchObject({
      type: 'gauge',
      samples: expect.arrayContaining([
        { name: 'writ_gate_state', labels: { state: 'ATTESTED' }, value: '1' },
      ]),
    })
    const absent = await host.writ(['metrics', '--from', host.path('absent.sock')])
    expect({ code: absent.code, says: absent.stderr }).toMatchObject({
      code: 1,
      says: expect.stringMatching(/absent\.sock/),
    })
  })

  test('hold no label that a caller chose', async () => {
    const series = async () => (await get('/metrics')).body.split('\n').length
    const before = await series()
    for (const name of ['zork"', 'quux\n', 'xyzzy{}']) {
      await host.writ(['authorize', '--', `/bin/${name}`])
      await get(`/metrics?${encodeURIComponent(name)}`)
    }
    // What has its first value meanwhile may begin a series of a closed set; a histogram has 18.
    expect(await series()).toBeLessThanOrEqual(before + 2 * 18)
    const { body } = await get('/metrics')
    for (const name of ['zork', 'quux', 'xyzzy']) expect(body).not.toContain(name)
  }, 60_000)

  test('say what is wrong when the TPM is silent, until it answers again', async () => {
    host.tpm.hang()
    try {
      await expect.poll(() => get('/readyz').then(({ status }) => status), { timeout: 15_000 }).toBe(503)
      expect((await get('/readyz')).body).toMatch(/^STALE\nEVIDENCE_TOO_OLD: /)
      expect(await value('writ_gate_state{state="STALE"}')).toBe(1)
      expect(await value('writ_lease_remaining_seconds')).toBe(0)
      expect(await value('writ_lease_left_at_renewal_seconds')).toBe(0)
      expect(await value('writ_evidence_age_seconds')).toBeNull()
      // Alive all the same: a restart would not help.
      expect((await get('/healthz')).status).toBe(200)
      await expect
        .poll(() => value('writ_tpm_errors_total{code="TPM_TIMEOUT"}'), { timeout: 15_000 })
        .toBeGreaterThan(0)
      expect(await value('writ_attestation_cycles_total{outcome="no_evidence"}')).toBeGreaterThan(0)
    } finally {
      host.tpm.resume()
    }
    await expect.poll(() => get('/readyz').then(({ status }) => status), { timeout: 20_000 }).toBe(200)
  }, 60_000)

  test('say until when policy and trust roots in force count, and go by no file, as do status and doctor; then nothing is ready', async () => {
    await load('policy', 2, '6s')
    await load('trust', 2, '5s')
    const { trustRoots } = (await host.status()) as { trustRoots?: Record<string, string> }
    expect(trustRoots).toMatchObject({ version: '2', valid: true })
    const ends = Date.parse(trustRoots?.notAfter ?? '')
    expect(await value('writ_document_not_after_timestamp_seconds{document="trust_roots"}')).toBe(ends / 1000)
    await expect
      .poll(() => host.status(), { timeout: 15_000 })
      .toMatchObject({ trustRoots: { valid: false } })
    expect(await host.ok('status')).toMatch(
      /^trust roots {7}[0-9a-f]{64}\n {18}version 2, valid until \S+: nothing is permitted$/m,
    )
    const look = async () => {
      const config = ['--config', host.path('writd.toml')]
      const { code, stdout } = await host.writ(['doctor', '--area', 'daemon', ...config, '--json'])
      const { findings } = JSON.parse(stdout) as { findings: { code: string; severity: string }[] }
      return { code, severity: findings.find(it => it.code === 'TRUST_INVALID')?.severity }
    }
    expect(await look()).toEqual({ code: 1, severity: 'error' })
    await expect
      .poll(() => get('/readyz'), { timeout: 15_000 })
      .toEqual({
        status: 503,
        body: expect.stringMatching(
          /^ATTESTED\nSIGNER_UNTRUSTED: the trust roots, version 2, .*\nPOLICY_ERROR: the policy was valid until .*\n$/,
        ),
      })
    await load('trust', 3, '300d')
    expect((await get('/readyz')).body).toMatch(/^ATTESTED\nPOLICY_ERROR: .*\n$/)
    await load('policy', 3, 'any')
    expect(await get('/readyz')).toEqual({ status: 200, body: 'ATTESTED\n' })
    expect((await look()).severity).toBe('ok')
  }, 60_000)

  test('are served on a loopback address, and on no other', async () => {
    await restart('127.0.0.1:39464')
    const at = { host: '127.0.0.1', port: 39_464 }
    expect((await get('/readyz', at)).status).toBe(200)
    expect((await get('/metrics', at)).body).toContain('writ_gate_state')
    await restart('0.0.0.0:39465')
    expect(host.daemonLog).toMatch(/no metrics are served/)
    expect(host.daemonLog).toMatch(/on a loopback address/)
    await expect(get('/metrics', { host: '127.0.0.1', port: 39_465 })).rejects.toThrow()
  }, 60_000)

  test('are served on a socket of its own, for its group, which goes with the daemon', async () => {
    await host.stopDaemon()
    rmSync(host.socket, { force: true })
    chownSync(host.path('run'), WRITD.uid, WRITD.gid)
    rmSync(socket(), { force: true })
    await host.startDaemon()
    await host.attested()
    expect(statSync(socket()).mode & 0o777).toBe(0o660)
    expect((await get('/readyz')).status).toBe(200)
    await host.stopDaemon()
    expect(existsSync(socket())).toBe(false)
  }, 60_000)

  test('say that the TPM is in lockout, which nothing that the daemon does would notice', async () => {
    await host.stopDaemon()
    // Somebody guesses at a key of his own until the TPM has had enough.
    const key = host.path('guessed')
    const guess = `
      tpm2_createprimary -Q -C o -G ecc -p right -c ${key}
      for i in $(seq 40); do
        if tpm2_getcap properties-variable | grep -qE 'inLockout: +1'; then exit 0; fi
        tpm2_create -Q -C ${key} -P wrong -u ${key}.pub -r ${key}.priv >/dev/null 2>&1 || true
        tpm2_flushcontext -t || true
      done
      exit 1`
    execFileSync('sh', ['-euc', guess], { env: { ...process.env, TPM2TOOLS_TCTI: host.tpm.tcti } })
    await host.startDaemon()
    await host.attested()
    await expect.poll(() => value('writ_tpm_lockout')).toBe(1)
    expect(await value('writ_tpm_errors_total{code="RC_LOCKOUT"}')).toBe(0)
  }, 60_000)
})
