import {
  type ClearanceFields,
  type ClockLook,
  ClockWatch,
  openClearance,
  openRevocation,
  RevocationSet,
} from '../../authorization/index.ts'
import { sha256Hex } from '../../encoding/digest.ts'
import { canonicalJson } from '../../encoding/json.ts'
import { base64ToBytes } from '../../encoding/text.ts'
import type { PublicKey } from '../../signing/key.ts'
import { clockNotBorneOut, clocksOf, type LoggedQuote } from './clock-trust.ts'
import { type ConfigFacts, readConfigFacts } from './configurations.ts'
import type { ReadBlob } from './documents.ts'
import { DroppedEntries } from './dropped-entries.ts'
import type { EventOf, LogEntry } from './steps.ts'
import { IN_FORCE_MS, Timeline } from './timeline.ts'

/** The trust gate as the log tells it. */
export interface GateState {
  readonly state: EventOf<'trust-transition'>['to']
  /** Null from a start of the daemon to its first transition. */
  readonly epoch: number | null
  /** While it is open: the appraisal that opened it. */
  readonly opening: number | null
  /** Time of the transition. */
  readonly sinceMs: number
}

/** One run of the daemon, as its first entry says. */
export interface Run {
  readonly sessionKeySpki: string
  readonly tier: EventOf<'daemon-start'>['tier']
  readonly hostId: string
  readonly clean: boolean
}

const STEPS: Readonly<Record<GateState['state'], readonly GateState['state'][]>> = {
  UNATTESTED: ['ATTESTED', 'FAILED'],
  ATTESTED: ['STALE', 'FAILED'],
  STALE: ['ATTESTED', 'FAILED'],
  FAILED: ['UNATTESTED'],
}

/** How far the clock of who clears a wall clock may be from it: as `writd` judges it, and what recording it takes. */
const CLEARANCE_MS = 610_000

function lookOf({ time, bootNs }: LogEntry['event']): ClockLook {
  return { wallMs: Date.parse(time), bootMs: Number(BigInt(bootNs) / 1_000_000n), suspendedMs: 0 }
}

/**
 * All that decisions depend on, folded from the log in its order. What must not be is said by {@link apply} and then taken over
 * as the log has it, so that each property can be judged by itself.
 */
export class LogState {
  readonly trustRoots = new Timeline<string | null>(null, IN_FORCE_MS)
  readonly policy = new Timeline<string | null>(null, IN_FORCE_MS)
  readonly hostLabels = new Timeline<string | null>(null, IN_FORCE_MS)
  readonly revocations = new Timeline<RevocationSet>(RevocationSet.empty, IN_FORCE_MS)
  readonly referenceValues = new Timeline<string | null>(null, IN_FORCE_MS)
  /** What decisions depend on of the configuration; null where the bundle does not have it. */
  readonly config = new Timeline<ConfigFacts | null>(null, IN_FORCE_MS)
  /** Since when uses may be missing, until an operator accepts the tail. */
  readonly unclean = new Timeline<string | null>(null, IN_FORCE_MS)
  /** A gate moves before its transition is written, never after it. */
  readonly gate = new Timeline<GateState>({ state: 'UNATTESTED', epoch: null, opening: null, sinceMs: 0 }, 0)
  run: Run | null = null
  /** The newest appraisal of this run. */
  appraisal: { readonly index: number; readonly event: EventOf<'appraisal'> } | null = null
  /** The wall clock so far, without the times at which it was not relied on. */
  readonly clock = new ClockWatch()
  /** Whether the log says that it is relied on. */
  readonly clockTrusted = new Timeline<boolean>(true, IN_FORCE_MS)
  bootNs = 0n
  /** Ways out of FAILED. */
  cleared = 0
  readonly recovered: number[] = []
  /** Entries that could not be judged for want of evidence that was dropped. */
  readonly dropped = new DroppedEntries()
  readonly #operators: readonly PublicKey[]
  readonly #blob: ReadBlob
  readonly #hostId: string | null
  #failure: number | null = null
  #tail: number | null = null
  #clockFault: number | null = null
  /** The newest quote, and the newest while the clock was relied on, of hosts that did not fail. */
  #quote: LoggedQuote | null = null
  #goodQuote: LoggedQuote | null = null
  #mayClear = false
  #failedSinceAppraisal = false
  #uncleanStart = false
  #lostBefore: string | null = null

  /** @param hostId the AK's Name in hexadecimal, if anything vouches for it */
  constructor(operators: readonly PublicKey[], blob: ReadBlob, hostId: string | null) {
    this.#operators = operators
    this.#blob = blob
    this.#hostId = hostId
  }

  /** Takes the next entry. @returns what must not be; null when all is well */
  async apply({ index, event }: LogEntry): Promise<string | null> {
    const ms = Date.parse(event.time)
    if (event.type === 'daemon-start') {
      this.#start(event)
      this.config.reset(await this.#configFacts(event.configDigest))
    }
    const back = BigInt(event.bootNs) < this.bootNs
    this.bootNs = BigInt(event.bootNs)
    if (event.type === 'daemon-start') this.clock.begin(event.bootId)
    const look = lookOf(event)
    if (this.clockTrusted.newest && this.clock.judge(look) === null) this.clock.take(look)
    const fault = await this.#take(index, event, ms)
    return fault ?? (back ? 'the boot clock goes back within a run' : null)
  }

  #start({ sessionKeySpki, tier, hostId, clean }: EventOf<'daemon-start'>): void {
    this.run = { sessionKeySpki, tier, hostId, clean }
    this.appraisal = null
    this.bootNs = 0n
    this.#mayClear = false
    this.#failedSinceAppraisal = false
    const state = this.#failure === null ? 'UNATTESTED' : 'FAILED'
    this.gate.reset({ state, epoch: null, opening: null, sinceMs: 0 })
    if (!clean) this.#uncleanStart = true
  }

  async #take(index: number, event: LogEntry['event'], ms: number): Promise<string | null> {
    switch (event.type) {
      case 'daemon-start':
        return this.#hostId !== null && event.hostId !== this.#hostId ? 'a daemon of another host' : null
      case 'recovery':
        this.#uncleanStart = false
        this.#tail = event.tail
        this.unclean.set(event.time, ms)
        return event.tail < index ? null : 'a tail that is not before it'
      case 'secret-policy':
        return null
      case 'clock-untrusted':
        this.#clockFault = index
        this.clockTrusted.set(false, ms)
        return null
      case 'clock-trusted':
        return this.#trustClock(index, event, ms)
      case 'trust-roots':
        this.trustRoots.set(event.blob, ms)
        return null
      case 'config':
        this.config.set(await this.#configFacts(event.digest), ms)
        return null
      case 'policy':
        this.policy.set(event.blob, ms)
        return null
      case 'host-labels':
        this.hostLabels.set(event.blob, ms)
        return null
      case 'reference-values':
        this.referenceValues.set(event.digest, ms)
        return null
      case 'revocation':
        this.revocations.set(
          this.revocations.newest.with(openRevocation(await this.#blob(event.blob), this.#good())),
          ms,
        )
        return this.revocations.newest.digest === event.manifest
          ? null
          : 'a revocation under a manifest that is not of those before it'
      case 'failure-cleared':
        return this.#clear(event)
      case 'tail-accepted':
        return this.#acceptTail(event, ms)
      case 'rollback-accepted':
        return this.#goOnFrom(event, ms, {
          kind: 'rollback',
          counter: event.counter,
          tail: event.tail,
          root: event.root,
        })
      case 'epoch-accepted':
        return this.#goOnFrom(event, ms, {
          kind: 'epoch',
          epoch: event.epoch,
          counter: event.counter,
          tail: event.tail,
          root: event.root,
        })
      case 'appraisal':
        return this.#appraise(index, event)
      case 'trust-transition':
        return this.#move(index, event, ms)
      default:
        if (this.#uncleanStart) {
          this.#uncleanStart = false
          return 'after an unclean stop the log goes on without saying which tail is in doubt'
        }
        return null
    }
  }

  /** The operator's keys that nothing so far revokes. */
  #good(): PublicKey[] {
    return this.#operators.filter(({ id }) => !this.revocations.newest.has('key', id))
  }

  /** That one is missing is a failure of its own, and of the decisions that rest on it. */
  #configFacts(digest: string): Promise<ConfigFacts | null> {
    return readConfigFacts(digest, this.#blob).catch(() => null)
  }

  /** By itself it is relied on again only where a quote since then bears that out, which is recomputed. */
  async #trustClock(index: number, event: EventOf<'clock-trusted'>, ms: number): Promise<string | null> {
    const fault = this.#clockFault
    const [quote, before] = [this.#quote, this.#goodQuote]
    this.#clockFault = null
    this.clockTrusted.set(true, ms)
    if (event.by !== 'operator') {
      this.#goodQuote = quote
      if (fault === null) return 'a clock that was relied on already'
      if (quote === null || quote.index < fault) return 'a clock that is relied on again without a quote'
      const { by } = event
      const why = await this.dropped.unless(index, () =>
        clockNotBorneOut(by, quote, before, this.clock, this.#blob),
      )
      if (event.by === 'tpm') this.clock.accept(lookOf(event))
      return why == null ? null : `a clock that is relied on again, and ${why}`
    }
    this.#goodQuote = null
    this.clock.accept(lookOf(event))
    if (event.blob === null) return 'a clock that is relied on without anybody saying why'
    const { host, clears } = openClearance(await this.#blob(event.blob), this.#good())
    if (this.#hostId !== null && host !== this.#hostId) return 'a clearance for another host'
    return clears.kind === 'clock' &&
      clears.entry === fault &&
      Math.abs(Date.parse(clears.time) - ms) <= CLEARANCE_MS
      ? null
      : 'a clearance of something else than the clock at that time'
  }

  async #clear(event: EventOf<'failure-cleared'>): Promise<string | null> {
    const failure = this.#failure
    this.#failure = null
    this.#mayClear = true
    this.cleared++
    const { host, clears } = openClearance(await this.#blob(event.blob), this.#good())
    if (this.#hostId !== null && host !== this.#hostId) return 'a clearance for another host'
    return clears.kind === 'failure' && clears.transition === failure
      ? null
      : 'a clearance of something else than the failure in force'
  }

  async #acceptTail(event: EventOf<'tail-accepted'>, ms: number): Promise<string | null> {
    const tail = this.#tail
    this.#tail = null
    this.unclean.set(this.#lostBefore, ms)
    const { host, clears } = openClearance(await this.#blob(event.blob), this.#good())
    if (this.#hostId !== null && host !== this.#hostId) return 'a clearance for another host'
    return clears.kind === 'tail' && clears.tail === tail && event.tail === tail
      ? null
      : 'a clearance of something else than the tail in doubt'
  }

  /** What was in force then may be older than what was lost: all that permits has to be loaded again. */
  async #goOnFrom(
    event: EventOf<'rollback-accepted' | 'epoch-accepted'>,
    ms: number,
    accepts: ClearanceFields['clears'],
  ): Promise<string | null> {
    this.#lostBefore = event.time
    this.unclean.set(event.time, ms)
    for (const document of [this.trustRoots, this.policy, this.hostLabels, this.referenceValues])
      document.set(null, ms)
    const { host, clears } = openClearance(await this.#blob(event.blob), this.#good())
    if (this.#hostId !== null && host !== this.#hostId) return 'a clearance for another host'
    return canonicalJson(clears) === canonicalJson(accepts)
      ? null
      : 'a clearance of something else than the log as it was found'
  }

  /** A failing appraisal closes the gate before it is recorded. */
  #appraise(index: number, event: EventOf<'appraisal'>): string | null {
    const failed = this.#failedSinceAppraisal || this.gate.newest.state === 'FAILED'
    this.appraisal = { index, event }
    this.#failedSinceAppraisal = false
    if (event.verdict !== 'fail' && event.clock !== null) {
      this.#quote = { index, attest: event.evidence.attest, look: clocksOf(event) }
      if (this.clockTrusted.newest) this.#goodQuote = this.#quote
    }
    if (event.verdict === 'fail' && !failed) return 'an appraisal failed, and the gate did not'
    const key = this.run && sha256Hex(base64ToBytes(this.run.sessionKeySpki))
    return event.binding.sessionKeySpkiDigest === key
      ? null
      : 'a quote for another session key than the run has'
  }

  #move(index: number, event: EventOf<'trust-transition'>, ms: number): string | null {
    const before = this.gate.newest
    const { from, to, epoch } = event
    const opening = to === 'ATTESTED' ? (this.appraisal?.index ?? null) : null
    this.gate.set({ state: to, epoch, opening, sinceMs: ms }, ms)
    const mayClear = this.#mayClear
    this.#mayClear = false
    if (to === 'FAILED') {
      this.#failure = index
      this.#failedSinceAppraisal = true
    } else if (from === 'FAILED') this.#failure = null
    const closes = to === 'STALE' || to === 'FAILED'
    if (from !== before.state) return `a transition from ${from}, where the gate was ${before.state}`
    if (!STEPS[from].includes(to)) return `no way leads from ${from} to ${to}`
    if (before.epoch !== null && (closes ? epoch <= before.epoch : epoch !== before.epoch))
      return `epoch ${epoch} after epoch ${before.epoch}`
    if (from === 'FAILED') return this.#leaveFailure(index, event, mayClear)
    return to === 'ATTESTED' ? this.#judgeOpening(ms) : null
  }

  #leaveFailure(index: number, { reasons }: EventOf<'trust-transition'>, mayClear: boolean): string | null {
    if (mayClear) return null
    if (!reasons.some(({ code }) => code === 'RECOVERED'))
      return 'FAILED was left without a clearance by the operator'
    this.recovered.push(index)
    return this.#passed() ? null : 'FAILED was left, and the newest appraisal had not passed'
  }

  #judgeOpening(ms: number): string | null {
    if (!this.#passed()) return 'the gate opened, and no appraisal of this run had passed'
    const used = this.appraisal?.event.binding.referenceValuesDigest
    return this.referenceValues.seenAt(ms).some(digest => digest === used)
      ? null
      : 'the gate opened on reference values that were not in force'
  }

  #passed(): boolean {
    return this.appraisal !== null && this.appraisal.event.verdict !== 'fail'
  }
}
