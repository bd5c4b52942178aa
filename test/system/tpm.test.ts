import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { api, CallError, WritClient } from '../../proto/client.ts'
import type { AttestationStatus } from '../../proto/generated/writ/v1/AttestationStatus.ts'
import { processesWith } from './audit.ts'
import { GovernedHost, NEEDS_ROOT } from './governed-host.ts'
import { RemoteCaller } from './remote-caller.ts'

const TRUE = { program: '/bin/true', argv: ['/bin/true'] }

describe.skipIf(NEEDS_ROOT !== null)('the TPM', () => {
  let host: GovernedHost
  let daemon: WritClient
  let artifact: Buffer
  beforeAll(async () => {
    host = await GovernedHost.start({
      config: { attestation: 'cycle_seconds = 1\nmax_evidence_age_seconds = 3' },
    })
    daemon = new WritClient(host.socket)
    artifact = readFileSync(await host.issue('true', TRUE.argv))
  }, 120_000)
  afterAll(async () => {
    daemon?.close()
    await host?.close()
  })

  async function status(): Promise<AttestationStatus> {
    const { status } = await daemon.call(api.attestation.GetStatus, {})
    if (status === null) throw new Error('no status')
    return status
  }
  const until = (state: string, timeout = 20_000) =>
    expect.poll(async () => (await status()).state, { timeout, interval: 50 }).toBe(`GATE_STATE_${state}`)

  /** The exit status, or the codes of the denial. */
  async function run(): Promise<number | undefined | string[]> {
    const call = daemon.executeCall({ artifact, workload: TRUE })
    call.endStdin()
    try {
      for await (const { ended } of call.answers) if (ended) return ended.exitCode
    } catch (error) {
      if (error instanceof CallError) return error.reasons.map(({ code }) => code)
      throw error
    }
    return undefined
  }

  /** The gate closed for lateness: it says so and why, and denies; what the TPM lacks is among the reasons. */
  async function expectStale(code: RegExp): Promise<void> {
    const codes = async () => (await status()).reasons.map(reason => reason.code)
    await until('STALE')
    expect(await run()).toEqual(['ATTESTATION_STALE'])
    expect(await codes()).toContain('EVIDENCE_TOO_OLD')
    // A command that is not answered is given up only after its own time.
    await expect.poll(async () => (await codes()).join(), { timeout: 15_000 }).toMatch(code)
  }

  test('killed, with its PCRs lost with it: stale while it is away, failed when it is back without its boot', async () => {
    const marker = `3${process.pid}`
    const command = ['/bin/sleep', marker]
    const long = readFileSync(await host.issue('long', command))
    const call = daemon.executeCall({ artifact: long, workload: { program: '/bin/sleep', argv: command } })
    const ended = (async () => {
      for await (const answer of call.answers) if (answer.ended) return answer.ended
      return null
    })()
    await expect.poll(() => processesWith(marker).length, { timeout: 10_000 }).toBeGreaterThan(0)

    await host.tpm.kill()
    expect(await ended).toMatchObject({ cause: 'END_CAUSE_ATTESTATION_STALE', confirmedDead: true })
    expect(processesWith(marker)).toEqual([])
    await expectStale(/TPM_UNAVAILABLE/)

    await host.tpm.start('clear')
    host.openTpm()
    await until('FAILED')
    expect(await run()).toEqual(['ATTESTATION_FAILED'])
    // Neither time nor a TPM as it should be leads out of it, nor a restart.
    await host.stopDaemon()
    await host.boot()
    await host.startDaemon()
    daemon.close()
    daemon = new WritClient(host.socket)
    const { appraisals } = await status()
    await expect
      .poll(async () => Number((await status()).appraisals), { timeout: 10_000 })
      .toBeGreaterThan(Number(appraisals) + 1)
    expect((await status()).state).toBe('GATE_STATE_FAILED')
    await host.ok('clear', '--failure', '--key', host.path('operator.key'))
    await until('ATTESTED')
    expect(await run()).toBe(0)
  }, 60_000)

  test('hung: stale, and attested again once it answers', async () => {
    const { epoch } = await status()
    host.tpm.hang()
    try {
      await expectStale(/TPM_TIMEOUT|TPM_UNAVAILABLE/)
    } finally {
      host.tpm.resume()
    }
    await until('ATTESTED')
    expect(Number((await status()).epoch)).toBeGreaterThan(Number(epoch))
    expect(await run()).toBe(0)
  }, 60_000)

  test('suspended and resumed: another process with its state, and nothing is lost', async () => {
    const before = await status()
    await host.tpm.restart('state')
    host.openTpm()
    const { appraisals } = await status()
    await expect
      .poll(async () => Number((await status()).appraisals), { timeout: 20_000 })
      .toBeGreaterThan(Number(appraisals) + 2)
    await until('ATTESTED')
    expect(Number((await status()).epoch) - Number(before.epoch)).toBeLessThanOrEqual(1)
    expect(await run()).toBe(0)
  }, 60_000)

  test('after a power cycle nobody starts it up: stale; started up without its boot: failed', async () => {
    await host.tpm.powerCycle()
    await expectStale(/TPM_RC/)
    await host.tpm.startUp()
    await until('FAILED')
    await host.stopDaemon()
    await host.boot()
    await host.startDaemon()
    daemon.close()
    daemon = new WritClient(host.socket)
    await host.ok('clear', '--failure', '--key', host.path('operator.key'))
    await until('ATTESTED')
  }, 60_000)

  test('reports: one per uid waits, and fifty at once do not starve the lease', async () => {
    const callers = [65_201, 65_202].map(uid => new RemoteCaller(host.socket, uid))
    try {
      const before = await status()
      let [answered, busy, rounds] = [0, 0, 0]
      // For longer than evidence counts: a lease that was starved would have run out.
      for (const until = Date.now() + 4_500; Date.now() < until; rounds++) {
        const reports = callers.flatMap(caller =>
          Array.from({ length: 25 }, (_, i) => caller.report({ nonce: randomBytes(32) }, i % 5)),
        )
        for (const { answer, error } of await Promise.all(reports)) {
          if (answer !== undefined) answered++
          else {
            expect(error).toMatchObject({ status: 'RESOURCE_EXHAUSTED' })
            busy++
          }
        }
      }
      expect(answered).toBeGreaterThanOrEqual(rounds)
      expect(busy).toBeGreaterThan(0)
      const after = await status()
      expect(after.state).toBe('GATE_STATE_ATTESTED')
      expect(after.epoch).toBe(before.epoch)
      expect(Number(after.appraisals) - Number(before.appraisals)).toBeGreaterThanOrEqual(2)
    } finally {
      for (const caller of callers) caller.close()
    }
  }, 60_000)
})
