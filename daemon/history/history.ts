import { type ClockHistory, type KnownRevisions, parseQuoteAttest } from '../../attestation/index.ts'
import {
  type Clearance,
  ClockWatch,
  type HostLabels,
  openClearance,
  type PolicyBundle,
  RevocationSet,
  type SecretPolicy,
  type TrustRoots,
  UseTable,
} from '../../authorization/index.ts'
import type { DigestSet } from '../../encoding/digest-table.ts'
import { type Lineage, type LineageEvent, parseCarried, parseEvent, Tally } from '../../lineage/index.ts'
import type { PublicKey } from '../../signing/key.ts'
import type { Ownership } from '../core.ts'
import type { TrustReason } from '../gate.ts'
import type { SignedReferenceValues } from '../reference-values.ts'
import { isCleared, type ToClear } from './clearances.ts'
import { DecisionLinks } from './decision-links.ts'
import { applyDocument, type DocumentEvent, type Documents, type NewestVersion } from './documents.ts'
import { type Asked, Owners } from './ownership.ts'
import { checkUnsignedSnapshots, newestSnapshot } from './resume.ts'

/** An execution that the log says was started and does not say has ended. */
export interface OpenExecution {
  readonly executionId: string
  readonly decision: bigint
  /** Entry of its START; null if that is in the log before this one. */
  readonly start: bigint | null
  /** Entry by which it was handed over, and since which nobody adopted it; null if there is none. */
  readonly handOver: bigint | null
}

export interface HistoryOptions {
  /** The configured governance keys. */
  readonly governance: readonly PublicKey[]
  readonly hostId: string
  /** Whether the configuration lets a passing appraisal alone lead out of FAILED. */
  readonly recoversByItself: boolean
  /** Ends the reading of a long log before its end: its reason is thrown. */
  readonly stop?: AbortSignal
}

/**
 * What the lineage says: everything of the daemon's state that has to survive it, as a fold of the log in its order.
 * There is no second store that could disagree with the log.
 */
export class History implements Documents {
  readonly uses = new UseTable()
  /** Where what decisions rest on stands in the log. */
  readonly links = new DecisionLinks()
  revocations: RevocationSet = RevocationSet.empty
  trustRoots: TrustRoots | null = null
  /** What the operator calls this host. */
  hostLabels: HostLabels | null = null
  policy: PolicyBundle | null = null
  secretPolicy: SecretPolicy | null = null
  newestSecretPolicy: NewestVersion | null = null
  newestTrustRoots: NewestVersion | null = null
  newestPolicy: NewestVersion | null = null
  newestHostLabels: NewestVersion | null = null
  referenceValues: SignedReferenceValues | null = null
  /** The highest revision of each name that was ever in force here: none older is taken. */
  knownReferenceValues: KnownRevisions = new Map()
  /** Not null: the host is FAILED, for these reasons, until an operator clears it. */
  failure: readonly TrustReason[] | null = null
  /** Entry of the transition to FAILED that is in force; a clearance has to name it. */
  failureIndex: bigint | null = null
  /** SPKI of the key that signs this log's checkpoints, in base64, as its starts say; null for a log without a start. */
  logKeySpki: string | null = null
  /** The wall clock, as the log tells of it. */
  readonly clock: ClockWatch
  /** The entry that says that the wall clock is not relied on, and why; null if it is. */
  clockFault: { readonly index: bigint; readonly why: string } | null = null
  /** Entries of the log at an unclean stop that nobody has accepted yet. */
  uncleanTail: bigint | null = null
  /** The epoch that the log begins, and that no operator has accepted; null in a log that took no other's place. */
  unacceptedEpoch: number | null = null
  /** SHA-256 of the subjects of every START: what IMA may have measured on their behalf. */
  readonly governed: DigestSet
  #owners = new Owners()
  #open: readonly OpenExecution[] = []
  /** Of a log that took the place of another: what that one had measured, and what was running. */
  #carried = { governed: [] as readonly string[], open: new Set<string>() }
  /** What the entries add up to without keys and configuration; null once it is in the other fields. */
  #tally: Tally<ClockWatch> | null
  readonly #o: HistoryOptions
  readonly #blob: (digest: string) => Promise<Buffer>
  #attest: string | null = null
  /** The newest clearance of the clock that counts. */
  #clockCleared: number | null = null
  /** Documents in the log that the configured governance keys do not vouch for (any more). They permit and clear nothing. */
  readonly unvouched: { readonly index: bigint; readonly message: string }[] = []

  private constructor(
    options: HistoryOptions,
    blob: (digest: string) => Promise<Buffer>,
    tally: Tally<ClockWatch>,
  ) {
    this.#o = options
    this.#blob = blob
    this.#tally = tally
    this.clock = tally.clock
    this.governed = tally.governed
  }

  /**
   * Reads the log: from its newest snapshot on, if there is one, with the entries before it that still count.
   *
   * @throws LineageError, also for a snapshot that is wrong where no checkpoint stands for it; AuthorizationError when a recorded revocation cannot be read
   */
  static async fold(lineage: Lineage, options: HistoryOptions): Promise<History> {
    await checkUnsignedSnapshots(lineage, options.stop)
    const history =
      (await History.#resume(lineage, options)) ??
      new History(options, digest => lineage.getBlob(digest), new Tally(state => new ClockWatch(state)))
    for (let from = BigInt(history.#tally?.size ?? 0); from < lineage.size; ) {
      options.stop?.throwIfAborted()
      const entries = await lineage.readEntries(from, lineage.size)
      for (const { index, bytes } of entries) await history.#apply(index, parseEvent(bytes), history.#tally)
      from += BigInt(entries.length)
    }
    history.#settle()
    return history
  }

  /**
   * What the newest snapshot says and what the entries before it that still count do, with the keys and the configuration of today. Null without a snapshot, or
   * if it takes it that a clearance of the clock counts that does not any more: then every entry is read.
   */
  static async #resume(lineage: Lineage, options: HistoryOptions): Promise<History | null> {
    const tally = await newestSnapshot(lineage)
    if (tally === null) return null
    const history = new History(options, digest => lineage.getBlob(digest), tally)
    const starts = tally.executions.state.flatMap(({ start }) => start ?? [])
    for (const index of [...tally.kept.indices, ...starts].sort((a, b) => a - b)) {
      options.stop?.throwIfAborted()
      await history.#apply(BigInt(index), parseEvent(await lineage.entry(BigInt(index))), null)
    }
    return history.#clockCleared === tally.kept.clockClearance ? history : null
  }

  /** Takes over what the tally has, which nobody adds to any more. */
  #settle(): void {
    const tally = this.#tally
    if (tally === null) return
    this.#tally = null
    for (const _ of tally.letGo());
    for (const row of tally.uses) this.uses.restore(row)
    const time = (ms: number) => new Date(ms).toISOString()
    if (tally.horizonMs !== null) for (const _ of this.uses.forgetBefore(time(tally.horizonMs)));
    if (tally.lostBeforeMs !== null) this.uses.setLostBefore(time(tally.lostBeforeMs))
    this.#owners = new Owners(tally.executions.state)
    for (const digest of this.#carried.governed) this.governed.add(digest)
    this.#open = [
      ...[...this.#carried.open].map(executionId => ({
        ...{ executionId, decision: 0n, start: null, handOver: null },
      })),
      ...[...tally.executions.open.values()].map(({ executionId, decision, start, handOver }) => ({
        executionId,
        decision: BigInt(decision),
        start: start === null ? null : BigInt(start),
        handOver: handOver === null ? null : BigInt(handOver),
      })),
    ]
    // What a later entry made of no effect is nothing to warn of.
    const kept = new Set(tally.kept.indices)
    const counts = this.unvouched.filter(({ index }) => kept.has(Number(index)))
    this.unvouched.splice(0, this.unvouched.length, ...counts)
  }

  /** Executions with a START and no end: those that were running when the log was last written. */
  get openExecutions(): readonly OpenExecution[] {
    return this.#open
  }

  /** Whose an execution is, as long as it goes on, and until {@link disown}; undefined for one that is not known. */
  ownerOf(executionId: string): Ownership | undefined {
    return this.#owners.of(executionId)
  }

  /** Nobody asks for an execution by its id any more. */
  disown(executionId: string): void {
    this.#owners.forget(executionId)
  }

  /** The newest verified quote's clock, against which the next one is judged. */
  async clockHistory(): Promise<ClockHistory | null> {
    if (this.#attest === null) return null
    const { clock, firmwareVersion } = parseQuoteAttest(await this.#blob(this.#attest))
    const { resetCount, restartCount } = clock
    return { clock: clock.clock, resetCount, restartCount, firmwareVersion }
  }

  /** Notes who asked for an execution. */
  own(executionId: string, asked: Asked): void {
    this.#owners.own(executionId, asked)
  }

  /** @param tally is told of it, too; null for an entry that it knows */
  async #apply(index: bigint, event: LineageEvent, tally: Tally | null): Promise<void> {
    this.links.apply(Number(index), event)
    if (event.type === 'clock-trusted') {
      tally?.add(event, await this.#trustClock(index, event))
      return
    }
    tally?.add(event)
    switch (event.type) {
      case 'daemon-start':
        this.logKeySpki = event.logKeySpki
        return
      case 'clock-untrusted':
        this.clockFault = { index, why: event.why }
        return
      case 'recovery':
        this.uncleanTail = BigInt(event.tail)
        this.uses.setUncleanSince(event.time)
        return
      case 'tail-accepted':
        if (
          !(await this.#isCleared(index, event.blob, { kind: 'tail', tail: Number(this.uncleanTail ?? -1n) }))
        )
          return
        this.uncleanTail = null
        this.uses.setUncleanSince(null)
        return
      case 'rollback-accepted':
        this.goOnFrom(event.time)
        await this.#isCleared(index, event.blob, {
          kind: 'rollback',
          counter: event.counter,
          tail: event.tail,
          root: event.root,
        })
        return
      case 'epoch':
        await this.#beginEpoch(event)
        return
      case 'execution-end':
        this.#carried.open.delete(event.executionId)
        return
      case 'epoch-accepted':
        this.unacceptedEpoch = null
        this.goOnFrom(event.time)
        await this.#isCleared(index, event.blob, {
          kind: 'epoch',
          epoch: event.epoch,
          counter: event.counter,
          tail: event.tail,
          root: event.root,
        })
        return
      case 'trust-transition':
        // A transition out of FAILED clears nothing by itself: whoever can write to the log could write one.
        if (event.from === 'FAILED' && this.#o.recoversByItself) this.#clearFailure()
        if (event.to === 'FAILED') this.#fail(index, event.reasons)
        return
      case 'failure-cleared':
        if (
          !(await this.#isCleared(index, event.blob, {
            kind: 'failure',
            transition: Number(this.failureIndex ?? -1n),
          }))
        )
          return
        this.#clearFailure()
        return
      case 'appraisal':
        // The transition may not have come to be written, or may come after this.
        if (event.verdict === 'fail' && this.failure === null) this.#fail(index, event.reasons)
        // As the running attestor keeps it: every verified quote counts, also of a host that fails, unless its clock went back.
        if (event.clock !== null && !event.reasons.some(({ code }) => code === 'CLOCK_ROLLED_BACK'))
          this.#attest = event.evidence.attest
        return
      case 'trust-roots':
      case 'policy':
      case 'host-labels':
      case 'revocation':
      case 'reference-values':
      case 'secret-policy':
        await this.#applyDocument(index, event)
        return
      default:
        return
    }
  }

  /** The log took the place of another: what it goes on with that is no entry of its own. */
  async #beginEpoch(event: LineageEvent & { type: 'epoch' }): Promise<void> {
    this.unacceptedEpoch = event.epoch
    this.#attest = event.attest
    const { governed, open } = parseCarried(await this.#blob(event.carried))
    this.#carried = { governed, open: new Set(open) }
  }

  /** @returns whether it counts */
  async #trustClock(index: bigint, event: LineageEvent & { type: 'clock-trusted' }): Promise<boolean> {
    const entry = Number(this.clockFault?.index ?? -1n)
    if (event.by === 'operator') {
      if (!(await this.#isCleared(index, event.blob ?? '', { kind: 'clock', entry }))) return false
      this.#clockCleared = Number(index)
    } else if (event.by === 'tpm') this.#clockCleared = null
    this.clockFault = null
    return true
  }

  /**
   * Files were put back, and an operator accepts them. Uses from before are lost, whoever accepted; and so may be newer documents: what permits
   * has to be loaded again, none older than is known here.
   */
  goOnFrom(time: string): void {
    this.uses.setLostBefore(time)
    this.trustRoots = null
    this.policy = null
    this.hostLabels = null
    this.referenceValues = null
  }

  #fail(index: bigint, reasons: readonly { code: string; message: string }[]): void {
    this.failure = reasons.map(({ code, message }) => ({ code, message }))
    this.failureIndex = index
  }

  /** Whether a clearance of this host, signed by a configured key, names what is to be cleared. Anything else clears nothing. */
  async #isCleared(index: bigint, blob: string, what: ToClear): Promise<boolean> {
    try {
      const { host, clears } = openClearance(await this.#blob(blob), this.#goodGovernance())
      if (host === this.#o.hostId && isCleared(clears, what)) return true
      this.unvouched.push({ index, message: 'the clearance is for something else' })
    } catch (error) {
      this.unvouched.push({ index, message: error instanceof Error ? error.message : String(error) })
    }
    return false
  }

  /** Whether a configured key that is not revoked signed a clearance. */
  vouchesFor({ envelope }: Pick<Clearance, 'envelope'>): boolean {
    try {
      openClearance(envelope, this.#goodGovernance())
      return true
    } catch {
      return false
    }
  }

  /** The configured keys that nothing before this place of the log revokes: what one signed before it was revoked stays in force. */
  #goodGovernance(): PublicKey[] {
    return this.#o.governance.filter(({ id }) => !this.revocations.has('key', id))
  }

  #clearFailure(): void {
    this.failure = null
    this.failureIndex = null
  }

  /** What nobody vouches for is in force in nothing; only a revocation has to be readable. */
  async #applyDocument(index: bigint, event: DocumentEvent): Promise<void> {
    const envelope = await this.#blob(event.blob)
    try {
      applyDocument(this, event, envelope, this.#goodGovernance(), this.#o.hostId)
    } catch (error) {
      if (event.type === 'revocation') throw error
      this.unvouched.push({ index, message: error instanceof Error ? error.message : String(error) })
    }
  }
}
