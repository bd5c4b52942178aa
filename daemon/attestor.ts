import { randomBytes } from 'node:crypto'
import type { Logger } from 'pino'
import {
  type Appraisal,
  appraise,
  bindExtraData,
  type ClockHistory,
  CYCLE_DOMAIN,
  type CycleBinding,
  type EnrolledAk,
  LogReplays,
  QUOTED_BANK,
  QUOTED_SELECTION,
  type Quote,
  type Tier,
} from '../attestation/index.ts'
import { type SigningKey, type Tpm, TpmError } from '../attestation/tpm2/index.ts'
import { WritError } from '../encoding/error.ts'
import type { Lineage } from '../lineage/index.ts'
import { EvidenceStore } from './evidence-store.ts'
import type { TrustGate, TrustReason } from './gate.ts'
import { HostLogReader, type HostLogs, type OpenLog } from './host-logs.ts'
import { Progress, STEPS } from './progress.ts'
import type { Recorder } from './recorder.ts'
import { recordedReasons } from './recorder.ts'
import type { SignedReferenceValues } from './reference-values.ts'
import type { WallClock } from './wall-clock.ts'

/** When a cycle that the TPM left without an answer is followed by the next, at the latest. */
const UNANSWERED_MS = 5_000

export interface AttestorOptions {
  readonly tpm: Tpm
  readonly ak: EnrolledAk
  readonly signingKey: SigningKey
  readonly openLog: OpenLog
  readonly lineage: Lineage
  readonly recorder: Recorder
  readonly gate: TrustGate
  readonly bootNs: () => bigint
  /** Is told of the clock in each quote. */
  readonly clock: Pick<WallClock, 'read' | 'quoted' | 'fault'>
  /** SHA-256 of the session key's SubjectPublicKeyInfo. */
  readonly sessionKeySpkiDigest: Buffer
  readonly tier: Tier
  readonly reference: () => SignedReferenceValues | null
  readonly governed: Pick<ReadonlySet<string>, 'has'>
  readonly previous: ClockHistory | null
  /** Looked at anew for each cycle; see {@link Attestor.retime}. */
  readonly cycleMs: number
  /** Whether a passing appraisal alone leads out of FAILED. */
  readonly recoverByItself: boolean
  readonly log: Logger
}

/** What the last cycle found, for the status. */
export interface CycleResult {
  readonly appraisal: Appraisal | null
  readonly time: string
  readonly error: TrustReason | null
}

/**
 * The evidence cycle. Each turn: read the boot clock, draw a nonce, quote, read the logs, appraise, write the appraisal to the
 * lineage, move the lease, in this order: the age of evidence counts from before the quote, and the lease never stands on
 * what is not on disk.
 *
 * What cannot be had (no TPM, no log) is lateness: the lease runs out by itself. What is had and is wrong fails the host.
 */
export class Attestor {
  readonly #o: AttestorOptions
  readonly #logs: HostLogReader
  readonly #store: EvidenceStore
  #replays = new LogReplays()
  #previous: ClockHistory | null
  #timer: NodeJS.Timeout | undefined
  #running: Promise<CycleResult> | undefined
  #stopped = false
  /** What the watchdog goes by. A cycle is over with a pass, a failure, an error of the TPM, no reference values: all but a TPM that gives no answer. */
  readonly progress = new Progress()
  /** Appraisals since the start. */
  appraisals = 0
  latest: CycleResult = { appraisal: null, time: '', error: null }
  /** Told of each cycle: what came of it, and how long it took. */
  onCycle: (result: CycleResult, ms: number) => void = () => undefined

  constructor(options: AttestorOptions) {
    this.#o = options
    this.#logs = new HostLogReader(options.openLog)
    this.#store = new EvidenceStore(options.lineage)
    this.#previous = options.previous
  }

  /** Runs a cycle now and then every `cycleMs`. */
  start(): void {
    void this.cycle().finally(() => this.#wait())
  }

  /** Waits anew for the next cycle, after `cycleMs` has changed or somebody else had one run. */
  retime(): void {
    // While a cycle runs nothing waits; its end does.
    if (this.#timer !== undefined) this.#wait()
  }

  #wait(): void {
    clearTimeout(this.#timer)
    if (this.#stopped) return
    const { cycleMs } = this.#o
    // A slow answer in a long cycle is not taken for a TPM that hangs: it is asked again while the watchdog is still patient.
    const inMs = this.progress.unanswered ? Math.min(cycleMs, UNANSWERED_MS) : cycleMs
    this.progress.expect(inMs)
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.start()
    }, inMs)
  }

  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    await this.#running
    this.progress.rest()
  }

  /** One cycle; a call while one runs gets that one's result. Never rejects. */
  cycle(): Promise<CycleResult> {
    if (this.#running !== undefined) return this.#running
    this.progress.begin(STEPS.tpm)
    const begun = performance.now()
    this.#running = this.#cycle()
      .catch((error: unknown) => this.#unavailable(error))
      .then(result => {
        this.latest = result
        this.onCycle(result, performance.now() - begun)
        this.progress.end(result.error?.code === 'TPM_TIMEOUT' ? 'unanswered' : 'over')
        return result
      })
      .finally(() => {
        this.#running = undefined
        this.retime()
      })
    return this.#running
  }

  async #cycle(): Promise<CycleResult> {
    const { gate, bootNs, clock } = this.#o
    const reference = this.#o.reference()
    if (reference === null) {
      return this.#unavailable(new NotReady('NO_REFERENCE_VALUES', 'no reference values are in force'))
    }
    const instantNs = bootNs()
    const binding = this.#binding(reference)
    const asked = clock.read()
    const quote = await this.#quote(binding)
    const had = clock.read()
    this.progress.answered()
    this.progress.at(STEPS.logs)
    const logs = await this.#logs.read()
    const previous = this.#previous
    const judge = (claimed?: ReadonlyMap<number, Buffer>) =>
      this.#judge(() => this.#appraise(binding, quote, logs, reference, previous, claimed))
    let appraisal = judge()
    this.appraisals++
    // What proves nothing or goes back leaves the history as it was.
    this.#previous = appraisal.history
    const tpmClock = appraisal.verdict === 'fail' ? null : appraisal.clock
    const inDoubt = clock.fault !== null
    if (tpmClock !== null && !inDoubt) clock.quoted(asked, had, tpmClock)

    // Closing waits for nothing, so it comes before the record; opening comes after it.
    if (appraisal.verdict === 'fail') {
      this.#logs.reset()
      gate.close(
        'FAILED',
        appraisal.reasons.filter(reason => reason.severity === 'fail'),
      )
      appraisal = await this.#nameThePcr(appraisal, judge)
    }
    this.progress.at(STEPS.lineage)
    const appraisalIndex = await this.#record(binding, quote, logs, appraisal)
    // Trust that comes back rests on a quote that is in the log. An operator may have been faster.
    if (tpmClock !== null && inDoubt && clock.fault !== null) clock.quoted(asked, had, tpmClock)
    if (appraisal.verdict !== 'fail') {
      // Reference values that were replaced in the meantime have judged nothing yet.
      if (this.#o.reference()?.digest === reference.digest) {
        if (this.#o.recoverByItself) {
          gate.clearFailure([
            { code: 'RECOVERED', message: 'the next appraisal passed, and the configuration accepts that' },
          ])
        }
        gate.renew(
          {
            instantNs,
            referenceValuesDigest: reference.digest,
            tier: this.#o.tier,
            resetCount: appraisal.clock?.resetCount ?? null,
            claims: appraisal.claims,
            appraisalIndex,
          },
          appraisal.reasons,
        )
      }
    }
    return { appraisal, time: new Date().toISOString(), error: null }
  }

  #binding(reference: SignedReferenceValues): CycleBinding {
    const { lineage, sessionKeySpkiDigest } = this.#o
    return {
      domain: CYCLE_DOMAIN,
      nonce: randomBytes(32),
      treeSize: lineage.size,
      lineageRoot: lineage.rootHash(),
      sessionKeySpkiDigest,
      referenceValuesDigest: Buffer.from(reference.digest, 'hex'),
    }
  }

  #quote(binding: CycleBinding): Promise<Quote> {
    return this.#o.tpm.quote({
      ak: this.#o.signingKey,
      extraData: bindExtraData(binding),
      selection: QUOTED_SELECTION,
      requester: { kind: 'attestor' },
    })
  }

  /**
   * Where the logs do not explain the quote, the PCRs are read, so that the reason names the one that is wrong. The gate is closed by then; a
   * TPM that does not answer leaves the reason as it is.
   */
  async #nameThePcr(
    appraisal: Appraisal,
    judge: (claimed: ReadonlyMap<number, Buffer>) => Appraisal,
  ): Promise<Appraisal> {
    if (!appraisal.reasons.some(({ code }) => code === 'QUOTE_PCR_DIGEST_MISMATCH')) return appraisal
    this.progress.at(STEPS.tpm)
    try {
      const values = await this.#o.tpm.readPcrs(QUOTED_SELECTION, { kind: 'attestor' })
      return judge(values.get(QUOTED_BANK) ?? new Map())
    } catch (error) {
      if (!(error instanceof TpmError)) throw error
      return appraisal
    }
  }

  #appraise(
    binding: CycleBinding,
    quote: Quote,
    logs: HostLogs,
    reference: SignedReferenceValues,
    previous: ClockHistory | null,
    claimedPcrs: ReadonlyMap<number, Buffer> | undefined,
  ): Appraisal {
    return appraise({
      evidence: { quote, eventLog: logs.eventLog, userspaceLog: logs.userspaceLog, imaLog: logs.imaLog },
      reference: reference.values,
      expected: { ak: this.#o.ak, extraData: bindExtraData(binding) },
      previous,
      governedDigests: this.#o.governed,
      replays: this.#replays,
      ...(claimedPcrs === undefined ? {} : { claimedPcrs }),
    })
  }

  /**
   * Evidence that the judgement itself breaks on is no lateness: it was had, and is not good. The gate closes at once, and nothing that was
   * kept of that evidence is gone on from.
   */
  #judge(judgement: () => Appraisal): Appraisal {
    try {
      return judgement()
    } catch (error) {
      this.#o.gate.close('STALE', [{ code: 'CYCLE_FAILED', message: 'the evidence could not be judged' }])
      this.#logs.reset()
      this.#replays = new LogReplays()
      throw error
    }
  }

  async #record(binding: CycleBinding, quote: Quote, logs: HostLogs, appraisal: Appraisal): Promise<bigint> {
    const { clock } = appraisal
    return this.#o.recorder.record({
      type: 'appraisal',
      verdict: appraisal.verdict,
      evidence: await this.#store.keep(quote, logs),
      binding: {
        domain: binding.domain,
        nonce: hex(binding.nonce),
        treeSize: Number(binding.treeSize),
        lineageRoot: hex(binding.lineageRoot),
        sessionKeySpkiDigest: hex(binding.sessionKeySpkiDigest),
        referenceValuesDigest: hex(binding.referenceValuesDigest),
      },
      clock: clock && { ...clock, clock: String(clock.clock) },
      reasons: recordedReasons(appraisal.reasons),
    })
  }

  /** Nothing was learnt in this cycle. The lease goes on until it runs out; a closed gate says why it is closed. */
  #unavailable(error: unknown): CycleResult {
    const reason = {
      code: error instanceof WritError || error instanceof NotReady ? error.code : 'CYCLE_FAILED',
      message: error instanceof Error ? error.message : String(error),
    }
    const level = error instanceof TpmError || error instanceof NotReady ? 'warn' : 'error'
    this.#o.log[level]({ reason }, 'no evidence in this cycle')
    this.#o.gate.expire()
    return { appraisal: this.latest.appraisal, time: this.latest.time, error: reason }
  }
}

class NotReady extends Error {
  readonly code: string

  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
