import { appendFileSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { QUOTED_SELECTION } from '../../attestation/index.ts'
import { SwtpmTransport, Tpm, TpmError } from '../../attestation/tpm2/index.ts'
import { replayMeasuredBoot } from '../../attestation/tpm2/swtpm/index.ts'
import { Attestor, type AttestorOptions } from '../../daemon/attestor.ts'
import { type GateSnapshot, TrustGate } from '../../daemon/gate.ts'
import { LeasePage } from '../../daemon/native.ts'
import { Recorder } from '../../daemon/recorder.ts'
import type { SignedReferenceValues } from '../../daemon/reference-values.ts'
import { WallClock } from '../../daemon/wall-clock.ts'
import { sha256Hex } from '../../encoding/digest.ts'
import { imaEntry, templateHash } from '../attestation/ima-log.ts'
import { recordedHost } from '../attestation/recorded-host.ts'
import { type SimulatedHost, startSimulatedHost } from '../attestation/tpm2/simulated-host.ts'
import { faultyIo } from '../lineage/support/faulty-io.ts'
import { openLog, temporaryDirectory } from '../lineage/support/log.ts'
import { capture } from './support/captured-reference.ts'
import { eventsOf, MAX_AGE_NS, ofType, silent } from './support/world.ts'

const boot = recordedHost('debian13-uki').evidence
let host: SimulatedHost
let tpm: Tpm
let reference: SignedReferenceValues

beforeAll(async () => {
  host = await startSimulatedHost()
  await replayMeasuredBoot(host.simulated, boot)
  tpm = host.simulated.connect()
  reference = await capture(host, tpm, 'first')
})
afterAll(async () => {
  await tpm?.close()
  await host?.end()
})

/** An attestor with its gate, lineage and logs as files, on the one simulated TPM. */
async function setup(change: Partial<AttestorOptions> = {}) {
  const dir = temporaryDirectory()
  const files = { eventlog: join(dir, 'eventlog'), userspace: join(dir, 'userspace'), ima: join(dir, 'ima') }
  writeFileSync(files.eventlog, boot.eventLog)
  writeFileSync(files.userspace, boot.userspaceLog)
  writeFileSync(files.ima, boot.imaLog)
  const io = faultyIo()
  const lineage = await openLog(join(dir, 'lineage'), { io })
  onTestFinished(() => lineage.close().catch(() => undefined))
  const clock = { ns: 1_000_000_000n }
  // Each look at the clock is later than the one before.
  const bootNs = () => ++clock.ns
  const page = LeasePage.create()
  const gate = new TrustGate({ lease: page, maxEvidenceAgeNs: MAX_AGE_NS, now: () => clock.ns })
  const attestor = new Attestor({
    ...{ tpm, lineage, gate, bootNs, tier: 'simulated', cycleMs: 1e6, recoverByItself: false, log: silent },
    ak: { publicArea: host.identity.akPublicArea, name: host.identity.akName },
    signingKey: host.ak,
    clock: new WallClock({ wallMs: () => Number(clock.ns / 1_000_000n), bootNs, monotonicNs: bootNs }),
    openLog: async kind => openSync(files[kind], 'r'),
    recorder: new Recorder(lineage, bootNs, () => Date.now()),
    sessionKeySpkiDigest: Buffer.alloc(32, 9),
    reference: () => reference,
    governed: new Set(),
    previous: null,
    ...change,
  })
  return { files, io, lineage, clock, page, gate, attestor, appraisals: () => appraisalsOf(lineage) }
}
const appraisalsOf = async (lineage: Parameters<typeof eventsOf>[0]) =>
  ofType(await eventsOf(lineage), 'appraisal')
const deadline = (gate: { snapshot(): GateSnapshot }) => gate.snapshot().deadlineNs

describe('a passing cycle', () => {
  test('opens the gate only once its appraisal is in the log; the age counts from before the quote', async () => {
    const it = await setup()
    const before = it.clock.ns
    let durable = -1n
    it.gate.on('transition', () => (durable = it.lineage.size))
    const { appraisal, error } = await it.attestor.cycle()
    expect([appraisal?.verdict, error]).toEqual(['pass', null])
    const { state, facts } = it.gate.snapshot()
    expect(state).toBe('ATTESTED')
    expect(facts).toMatchObject({ instantNs: before + 1n, referenceValuesDigest: reference.digest })
    expect(it.page.read().instantNs).toBe(before + 1n)
    expect(durable).toBeGreaterThan(facts?.appraisalIndex ?? 99n)
    const [event] = await it.appraisals()
    expect(event).toMatchObject({
      verdict: 'pass',
      binding: { domain: 'writ/v1/cycle', treeSize: 0, referenceValuesDigest: reference.digest },
    })
    expect(await it.lineage.getBlob(event?.evidence.eventLog ?? '')).toEqual(boot.eventLog)
    expect(await it.lineage.getBlob(event?.evidence.userspaceLog ?? '')).toEqual(boot.userspaceLog)
    for (const digest of [event?.evidence.attest, event?.evidence.signature]) {
      await expect(it.lineage.getBlob(digest ?? '')).resolves.toBeDefined()
    }
  })

  test('that cannot be recorded renews nothing', async () => {
    const it = await setup()
    await it.attestor.cycle()
    const before = deadline(it.gate)
    it.io.fail('fdatasync', 1, 'did persist')
    expect((await it.attestor.cycle()).error).toMatchObject({ code: 'LINEAGE_UNAVAILABLE' })
    expect(deadline(it.gate)).toBe(before)
    const closed = await setup()
    closed.io.fail('fdatasync', 1, 'did not persist')
    await closed.attestor.cycle()
    expect(closed.gate.snapshot().state).toBe('UNATTESTED')
  })

  test('by reference values that were replaced meanwhile renews nothing', async () => {
    const other = await capture(host, tpm, 'second')
    let looks = 0
    const it = await setup({ reference: () => (looks++ === 0 ? reference : other) })
    expect((await it.attestor.cycle()).appraisal?.verdict).toBe('pass')
    expect(it.gate.snapshot().state).toBe('UNATTESTED')
    await it.attestor.cycle()
    expect(it.gate.snapshot()).toMatchObject({
      state: 'ATTESTED',
      facts: { referenceValuesDigest: other.digest },
    })
  })

  test('is one cycle for all who ask while it runs', async () => {
    const it = await setup()
    const [first, second] = await Promise.all([it.attestor.cycle(), it.attestor.cycle()])
    expect(first).toBe(second)
    expect(it.attestor.appraisals).toBe(1)
  })

  test('goes on in turns, and a stop waits for the last', async () => {
    const it = await setup({ cycleMs: 1 })
    it.attestor.start()
    await expect.poll(() => it.attestor.appraisals).toBeGreaterThan(1)
    await it.attestor.stop()
    const { size } = it.lineage
    await new Promise(resolve => setTimeout(resolve, 50))
    expect(it.lineage.size).toBe(size)
  })
})

describe('what cannot be had is lateness', () => {
  test('no reference values', async () => {
    const it = await setup({ reference: () => null })
    expect((await it.attestor.cycle()).error).toMatchObject({ code: 'NO_REFERENCE_VALUES' })
    expect([it.gate.snapshot().state, it.lineage.size]).toEqual(['UNATTESTED', 0n])
  })

  test('no TPM: the lease goes on until it runs out, and says then why it ended', async () => {
    const gone = new Tpm(new SwtpmTransport(join(host.dir, 'nobody')))
    onTestFinished(() => gone.close())
    const it = await setup()
    await it.attestor.cycle()
    const late = await setup({ tpm: gone })
    late.clock.ns += 1n
    late.gate.renew(it.gate.snapshot().facts ?? expect.fail())
    expect((await late.attestor.cycle()).error?.code).toMatch(/^TPM_/)
    expect(late.gate.snapshot().state).toBe('ATTESTED')
    late.clock.ns += MAX_AGE_NS
    const moves: string[] = []
    late.gate.on('transition', ({ to }) => moves.push(to))
    await late.attestor.cycle()
    // Before anybody asks the gate, which would look at the clock by itself.
    expect(moves).toEqual(['STALE'])
    expect(late.gate.snapshot()).toMatchObject({ state: 'STALE', reasons: [{ code: 'EVIDENCE_TOO_OLD' }] })
    expect(late.lineage.size).toBe(0n)
  })

  test('no log that can be opened', async () => {
    const it = await setup({ openLog: () => Promise.reject(new Error('the launcher is gone')) })
    expect((await it.attestor.cycle()).error).toMatchObject({ code: 'CYCLE_FAILED' })
    expect(it.gate.snapshot().state).toBe('UNATTESTED')
  })
})

// From here on the TPM moves on: the tests follow each other, as events on one host do.
describe('a growing IMA log', () => {
  test('is kept in pieces, each once, and judged with what was started', async () => {
    const governed = new Set<string>()
    const it = await setup({ governed })
    await it.attestor.cycle()
    const programs = ['aa', 'bb'].map(byte => ({ path: `/memfd:${byte}`, digest: byte.repeat(32) }))
    for (const program of programs) {
      governed.add(program.digest)
      await tpm.pcrExtend(10, [{ bank: 'sha256', digest: templateHash(program) }])
      appendFileSync(it.files.ima, imaEntry(program))
      expect((await it.attestor.cycle()).appraisal).toMatchObject({ verdict: 'pass', reasons: [] })
    }
    await it.attestor.cycle()
    const kept = (await it.appraisals()).map(({ evidence }) => evidence)
    expect(kept.map(({ imaLog }) => imaLog.length)).toEqual([1, 2, 3, 3])
    expect(new Set(kept.flatMap(({ imaLog }) => imaLog)).size).toBe(3)
    const last = kept.at(-1) ?? expect.fail()
    const pieces = await Promise.all(last.imaLog.map(digest => it.lineage.getBlob(digest)))
    const whole = Buffer.concat([boot.imaLog, ...programs.map(imaEntry)])
    expect(Buffer.concat(pieces).equals(whole)).toBe(true)
    expect(last.imaLength).toBe(whole.length)
    const ungoverned = await setup()
    appendFileSync(ungoverned.files.ima, Buffer.concat(programs.map(imaEntry)))
    expect((await ungoverned.attestor.cycle()).appraisal?.reasons.map(({ code }) => code)).toContain(
      'IMA_ENTRY_UNKNOWN',
    )
  })

  test('passes 200 cycles while it grows before, between and after quote and read', async () => {
    await tpm.close()
    await replayMeasuredBoot(host.simulated, boot)
    tpm = host.simulated.connect()
    const governed = new Set<string>()
    const it = await setup({
      governed,
      openLog: async kind => {
        // The quote is made, the log not yet read. What comes in between is not attested in this cycle.
        if (kind === 'ima') await grow('between')
        return openSync(it.files[kind], 'r')
      },
    })
    let entries = 0
    let unextended: Buffer | null = null
    const grow = async (when: string) => {
      const program = { path: `/memfd:${when}`, digest: sha256Hex(Buffer.from(String(entries++))) }
      governed.add(program.digest)
      // The kernel's list is ahead of the PCR for a moment, in which the log may be read.
      if (unextended !== null) await tpm.pcrExtend(10, [{ bank: 'sha256', digest: unextended }])
      unextended = templateHash(program)
      appendFileSync(it.files.ima, imaEntry(program))
    }
    for (let cycle = 0; cycle < 200; cycle++) {
      await grow('before')
      const { appraisal, error } = await it.attestor.cycle()
      expect([appraisal?.verdict, appraisal?.reasons, error]).toEqual(['pass', [], null])
      expect(appraisal?.imaEntries).toBeGreaterThan(appraisal?.imaAttestedEntries ?? 0)
    }
    expect(it.gate.snapshot().state).toBe('ATTESTED')
    expect(entries).toBe(400)
  })
})

describe("the daemon's own code", () => {
  test('opens the gate when it was measured as listed, and fails the host once it is changed', async () => {
    const writd = (text: string) => ({ path: '/usr/lib/writ/writd', digest: sha256Hex(Buffer.from(text)) })
    const measure = async (file: string, text: string) => {
      await tpm.pcrExtend(10, [{ bank: 'sha256', digest: templateHash(writd(text)) }])
      appendFileSync(file, imaEntry(writd(text)))
    }
    await tpm.close()
    await replayMeasuredBoot(host.simulated, boot)
    tpm = host.simulated.connect()
    const { path, digest } = writd('good')
    const named = await capture(host, tpm, 'named', [{ name: 'writd', path, digests: [`sha256:${digest}`] }])
    const unseen = await setup({ reference: () => named })
    await unseen.attestor.cycle()
    expect(unseen.gate.snapshot()).toMatchObject({ state: 'FAILED' })
    expect((await unseen.appraisals()).at(-1)?.reasons).toMatchObject([{ code: 'COMPONENT_NOT_MEASURED' }])

    const it = await setup({ reference: () => named })
    await measure(it.files.ima, 'good')
    expect((await it.attestor.cycle()).appraisal?.reasons).toEqual([])
    expect(it.gate.snapshot().state).toBe('ATTESTED')
    await measure(it.files.ima, 'changed')
    await it.attestor.cycle()
    expect(it.gate.snapshot()).toMatchObject({ state: 'FAILED', facts: null })
    expect((await it.appraisals()).at(-1)?.reasons).toMatchObject([{ code: 'COMPONENT_CHANGED' }])

    await tpm.close()
    await replayMeasuredBoot(host.simulated, boot)
    tpm = host.simulated.connect()
  })
})

describe('a failing cycle', () => {
  test('closes the gate before it writes; FAILED stays, or is left where the configuration says so', async () => {
    await tpm.close()
    await replayMeasuredBoot(host.simulated, boot)
    tpm = host.simulated.connect()
    const strict = await setup()
    const lenient = await setup({ recoverByItself: true })
    const broken = await setup()
    for (const it of [strict, lenient, broken]) await it.attestor.cycle()
    await tpm.pcrExtend(14, [{ bank: 'sha256', digest: Buffer.alloc(32, 0xbb) }])
    for (const it of [strict, lenient]) {
      let written = -1
      const { size } = it.lineage
      it.gate.once('transition', () => (written = Number(it.lineage.size - size)))
      expect((await it.attestor.cycle()).appraisal?.verdict).toBe('fail')
      expect(written).toBe(0)
      expect(it.gate.snapshot()).toMatchObject({ state: 'FAILED', facts: null })
      const { verdict, reasons } = (await it.appraisals()).at(-1) ?? {}
      expect(verdict).toBe('fail')
      // The TPM was asked which PCR it is.
      expect(reasons).toMatchObject([{ code: 'QUOTE_PCR_DIGEST_MISMATCH' }])
      expect(reasons?.[0]?.message).toMatch(/: PCR 14 was extended otherwise/)
    }
    // A log that cannot be written keeps no gate open.
    broken.io.fail('fdatasync', 1, 'did not persist')
    await broken.attestor.cycle()
    expect(broken.gate.snapshot().state).toBe('FAILED')
    expect((await tpm.readPcrs(QUOTED_SELECTION)).get('sha256')).toBeDefined()

    await tpm.close()
    await replayMeasuredBoot(host.simulated, boot)
    tpm = host.simulated.connect()
  })

  test('is left by a passing one only where the configuration says so', async () => {
    for (const recoverByItself of [false, true]) {
      const it = await setup({ recoverByItself })
      it.gate.close('FAILED', [{ code: 'PCR_VALUE_UNKNOWN', message: 'PCR 7' }])
      expect((await it.attestor.cycle()).appraisal?.verdict).toBe('pass')
      expect(it.gate.snapshot().state).toBe(recoverByItself ? 'ATTESTED' : 'FAILED')
    }
  })

  test('follows from a log that is gone or cut', async () => {
    const it = await setup()
    await it.attestor.cycle()
    writeFileSync(it.files.ima, boot.imaLog.subarray(0, boot.imaLog.length - 200))
    expect((await it.attestor.cycle()).appraisal?.verdict).toBe('fail')
    expect(it.gate.snapshot().state).toBe('FAILED')
    rmSync(it.files.ima)
  })
})

describe('what the watchdog goes by', () => {
  /** What is late when the clock has gone on by so much. */
  const lateIn = (attestor: Attestor, ms: number) => {
    const now = performance.now()
    const clock = vi.spyOn(performance, 'now').mockReturnValue(now + ms)
    try {
      return attestor.progress.late?.code
    } finally {
      clock.mockRestore()
    }
  }
  const never = new Promise<never>(() => undefined)

  test('is a cycle from its own start, whatever their distance, and the step that hangs in it', async () => {
    const logs = await setup({ openLog: () => never })
    void logs.attestor.cycle()
    expect(lateIn(logs.attestor, 26_000)).toBe('TPM_TIMEOUT')
    await expect.poll(() => lateIn(logs.attestor, 26_000)).toBe('LOGS_TIMEOUT')
    expect(lateIn(logs.attestor, 20_000)).toBeUndefined()
    const disk = await setup({ recorder: { record: () => never } as unknown as Recorder })
    void disk.attestor.cycle()
    await expect.poll(() => lateIn(disk.attestor, 26_000)).toBe('LINEAGE_TIMEOUT')
  })

  test('is the next cycle when it is due, and nothing after the stop', async () => {
    const it = await setup({ cycleMs: 3_600_000 })
    it.attestor.start()
    await expect.poll(() => it.attestor.latest.time).not.toBe('')
    expect(lateIn(it.attestor, 3_600_000)).toBeUndefined()
    expect(lateIn(it.attestor, 3_627_000)).toBe('CYCLE_LATE')
    await it.attestor.stop()
    expect(lateIn(it.attestor, 1e9)).toBeUndefined()
  })

  test('is not ended by a TPM that gives no answer, which is soon asked again, also in a long cycle', async () => {
    let asked = 0
    const quote = async () => {
      asked++
      throw new TpmError('TPM_TIMEOUT', 'no answer')
    }
    const it = await setup({ cycleMs: 3_600_000, tpm: { quote } as unknown as Tpm })
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    it.attestor.start()
    await vi.advanceTimersByTimeAsync(20_000)
    expect(asked).toBe(5)
    expect(lateIn(it.attestor, 26_000)).toBe('TPM_TIMEOUT')
    // Also when somebody else had the cycle run.
    it.attestor.retime()
    await it.attestor.cycle()
    await vi.advanceTimersByTimeAsync(5_000)
    expect(asked).toBe(7)
    await it.attestor.stop()
  })

  test('is ended by an error of the TPM: it has answered', async () => {
    const quote = async () => {
      throw new TpmError('TPM_UNAVAILABLE', 'not there')
    }
    const it = await setup({ tpm: { quote } as unknown as Tpm })
    await it.attestor.cycle()
    expect(lateIn(it.attestor, 1e9)).toBeUndefined()
  })
})
