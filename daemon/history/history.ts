import { type ClockHistory, type KnownRevisions, parseQuoteAttest } from '../../attestation/index.ts'
import {
  type Clearance,
  type ClockLook,
  ClockWatch,
  type HostLabels,
  openClearance,
  type PolicyBundle,
  RevocationSet,
  type SecretPolicy,
  type TrustRoots,
  UseTable,
} from '../../authorization/index.ts'
import { type Lineage, type LineageEvent, parseCarried, parseEvent } from '../../lineage/index.ts'
import type { PublicKey } from '../../signing/key.ts'
import type { Ownership } from '../core.ts'
import type { TrustReason } from '../gate.ts'
import type { SignedReferenceValues } from '../reference-values.ts'
import { isCleared, type ToClear } from './clearances.ts'
import { DecisionLinks } from './decision-links.ts'
import { applyDocument, type DocumentEvent, type Documents, type NewestVersion } from './documents.ts'
import { type Asked, NOBODY, Owners } from './ownership.ts'

/** An execution that the log says was started and does not say has ended. */
export interface OpenExecution {
  readonly executionId: string
  readonly decision: bigint
}

/** How long an appraisal may take from its quote to its entry. */
const APPRAISAL_SLACK_MS = 10_000

function lookOf({ time, bootNs }: LineageEvent): ClockLook {
  return { wallMs: Date.parse(time), bootMs: Number(BigInt(bootNs) / 1_000_000n), suspendedMs: 0 }
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
  readonly clock = new ClockWatch()
  /** The entry that says that the wall clock is not relied on, and why; null if it is. */
  clockFault: { readonly index: bigint; readonly why: string } | null = null
  /** Entries of the log at an unclean stop that nobody has accepted yet. */
  uncleanTail: bigint | null = null
  /** The epoch that the log begins, and that no operator has accepted; null in a log that took no other's place. */
  unacceptedEpoch: number | null = null
  /** SHA-256 of the subjects of every START: what IMA may have measured on their behalf. */
  readonly governed = new Set<string>()
  readonly #owners = new Owners()
  readonly #open = new Map<string, OpenExecution>()
  readonly #o: HistoryOptions
  readonly #blob: (digest: string) => Promise<Buffer>
  #attest: string | null = null
  /** The newest quote of a host that did not fail. */
  #quoted: Parameters<ClockWatch['recorded']> | null = null
  /** Documents in the log that the configured governance keys do not vouch for (any more). They permit and clear nothing. */
  readonly unvouched: { readonly index: bigint; readonly message: string }[] = []

  private constructor(options: HistoryOptions, blob: (digest: string) => Promise<Buffer>) {
    this.#o = options
    this.#blob = blob
  }

  /** Reads the whole log once. @throws LineageError; AuthorizationError when a recorded revocation cannot be read */
  static async fold(lineage: Lineage, options: HistoryOptions): Promise<History> {
    const history = new History(options, digest => lineage.getBlob(digest))
    for (let from = 0n; from < lineage.size; ) {
      options.stop?.throwIfAborted()
      const entries = await lineage.readEntries(from, lineage.size)
      for (const { index, bytes } of entries) await history.#apply(index, parseEvent(bytes))
      from += BigInt(entries.length)
    }
    return history
  }

  /** Executions with a START and no end: those that were running when the log was last written. */
  get openExecutions(): readonly OpenExecution[] {
    return [...this.#open.values()]
  }

  /** Whose an execution is; undefined if the log has none of this id. */
  ownerOf(executionId: string): Ownership | undefined {
    const asked = this.#owners.asked(executionId)
    return asked && this.#owners.ownerBy(asked)
  }

  /** Whose it is, what was asked for so. */
  ownerBy(asked: Asked): Ownership {
    return this.#owners.ownerBy(asked)
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

  async #apply(index: bigint, event: LineageEvent): Promise<void> {
    this.links.apply(Number(index), event)
    if (event.type === 'daemon-start') this.clock.begin(event.bootId)
    const look = lookOf(event)
    this.clock.look(look)
    switch (event.type) {
      case 'daemon-start':
        this.logKeySpki = event.logKeySpki
        return
      case 'clock-untrusted':
        this.clockFault = { index, why: event.why }
        this.clock.distrust(event.why)
        return
      case 'clock-trusted': {
        const entry = Number(this.clockFault?.index ?? -1n)
        if (
          event.by === 'operator' &&
          !(await this.#isCleared(index, event.blob ?? '', { kind: 'clock', entry }))
        )
          return
        this.clockFault = null
        if (event.by === 'return') this.clock.resume()
        else this.clock.accept(look)
        // By the quote before it, which so is the newest that agreed.
        if (event.by !== 'operator' && this.#quoted !== null) this.clock.recorded(...this.#quoted)
        return
      }
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
        if (event.clock !== null && event.verdict !== 'fail') {
          const tpmClock = { ...event.clock, clock: BigInt(event.clock.clock) }
          this.#quoted = [look, APPRAISAL_SLACK_MS, tpmClock]
          this.clock.recorded(...this.#quoted)
        }
        return
      case 'decision':
        this.#applyDecision(event)
        return
      case 'execution-start':
        for (const digest of event.subjects) this.governed.add(digest)
        this.own(event.executionId, {
          callerUid: this.#owners.asked(event.executionId)?.callerUid ?? NOBODY,
          parentExecutionId: event.parent,
        })
        this.#open.set(event.executionId, {
          executionId: event.executionId,
          decision: BigInt(event.decision),
        })
        return
      case 'execution-end':
        this.#open.delete(event.executionId)
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
    for (const digest of governed) this.governed.add(digest)
    for (const executionId of open) this.#open.set(executionId, { executionId, decision: 0n })
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

  #applyDecision(event: LineageEvent & { type: 'decision' }): void {
    if (event.outcome !== 'permit') return
    if (event.use !== null && event.artifact !== null) {
      this.uses.apply({ payload: event.artifact, issuer: event.use.issuer, id: event.use.id })
    }
    if (event.executionId !== null) {
      this.own(event.executionId, {
        callerUid: event.caller.uid,
        parentExecutionId: event.caller.parent,
      })
    }
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
