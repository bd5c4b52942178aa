import { checkReferenceSuccessor, withRevision } from '../attestation/index.ts'
import {
  AuthorizationError,
  type Clearance,
  checkLabelsSuccessor,
  checkPolicySuccessor,
  checkSecretPolicySuccessor,
  checkTrustSuccessor,
  lapseOf,
  openClearance,
  openHostLabels,
  openPolicyBundle,
  openRevocationInSteps,
  openSecretPolicy,
  openTrustRoots,
  type RevocationSet,
  type SecretPolicy,
  windowAt,
} from '../authorization/index.ts'
import { WritError } from '../encoding/error.ts'
import type { Lineage } from '../lineage/index.ts'
import type { PublicKey } from '../signing/key.ts'
import type { LoadedDocument } from './core.ts'
import type { TrustGate } from './gate.ts'
import type { History } from './history/history.ts'
import { type Recorder, rfc3339 } from './recorder.ts'
import { openReferenceValues } from './reference-values.ts'
import type { WallClock } from './wall-clock.ts'

/** How far the clock of who signs a clearance of the wall clock may be from it: time to sign it in between. */
export const CLOCK_CLEARANCE_MS = 600_000

export type GovernanceErrorCode = 'CLEARANCE_NOT_APPLICABLE'

/** A signed document that verifies and does not fit the state of this host. */
export class GovernanceError extends WritError<GovernanceErrorCode> {}

export interface GovernanceOptions {
  readonly keys: readonly PublicKey[]
  readonly hostId: string
  readonly history: History
  readonly lineage: Lineage
  readonly recorder: Recorder
  readonly gate: TrustGate
  readonly wallMs: () => number
  /** Looks whether a secret policy fits the TPM's counter; gives what moves it there. Left out: this daemon opens no secrets. */
  readonly secretCounter?: (policy: SecretPolicy) => Promise<() => Promise<void>>
  readonly clock: Pick<WallClock, 'read' | 'accept'>
}

/** The newest document of a kind that was turned away: what was in force stays. */
export interface RefusedDocument {
  readonly kind:
    | 'policy'
    | 'host-labels'
    | 'secret-policy'
    | 'trust-roots'
    | 'reference-values'
    | 'revocation'
    | 'clearance'
  readonly time: string
  /** Code of the error, and where in the document; empty if the whole is meant. What it says is for whoever brought it. */
  readonly code: string
  readonly at: string
}

/**
 * Changes of what is enforced: verified, made durable, then put in force, one at a time and in this order. A document that does not
 * verify leaves the old one in force.
 */
export class Governance {
  readonly #o: GovernanceOptions
  #turn: Promise<unknown> = Promise.resolve()
  /** Until the next document of the same kind is taken. */
  refused: RefusedDocument | null = null

  constructor(options: GovernanceOptions) {
    this.#o = options
  }

  /**
   * @param lapsed whether one is taken that does not decide anything now: at the start, when there is no other
   * @throws AuthorizationError, also `NOT_VALID_NOW`
   */
  loadPolicy(envelope: Buffer, lapsed = false): Promise<LoadedDocument> {
    return this.#inTurn('policy', async () => {
      const { history, lineage, recorder } = this.#o
      const policy = this.#open(keys => openPolicyBundle(envelope, keys))
      if (history.revocations.has('policy', policy.digest)) throw revoked(`the policy ${policy.digest}`)
      checkPolicySuccessor(history.newestPolicy, policy)
      const lapse = lapseOf(policy, rfc3339(this.#o.wallMs()))
      if (lapse !== null && !lapsed) throw notNow(lapse)
      const blob = await lineage.putBlob(envelope)
      const { digest, version } = policy
      const lineageIndex = await recorder.record({ type: 'policy', digest, version, blob })
      history.policy = policy
      history.newestPolicy = { version, digest }
      return { digest, lineageIndex }
    })
  }

  /** What the operator calls this host. @throws AuthorizationError, also `NOT_VALID_NOW` */
  loadHostLabels(envelope: Buffer): Promise<LoadedDocument> {
    return this.#inTurn('host-labels', async () => {
      const { hostId, history, lineage, recorder, wallMs } = this.#o
      const labels = this.#open(keys => openHostLabels(envelope, keys))
      checkLabelsSuccessor(history.newestHostLabels, labels, hostId)
      if (labels.notAfter !== 'any' && rfc3339(wallMs()) >= labels.notAfter)
        throw notNow(`the labels were valid until ${labels.notAfter}`)
      const blob = await lineage.putBlob(envelope)
      const { digest, version } = labels
      const lineageIndex = await recorder.record({ type: 'host-labels', digest, version, blob })
      history.hostLabels = labels
      history.newestHostLabels = { version, digest }
      return { digest, lineageIndex }
    })
  }

  /** @param lapsed as {@link loadPolicy} has it. @throws AuthorizationError, also `NOT_VALID_NOW` */
  loadTrustRoots(envelope: Buffer, lapsed = false): Promise<LoadedDocument> {
    return this.#inTurn('trust-roots', async () => {
      const { history, lineage, recorder } = this.#o
      const roots = this.#open(keys => openTrustRoots(envelope, keys))
      checkTrustSuccessor(history.newestTrustRoots, roots)
      if (
        !lapsed &&
        windowAt({ notBefore: 'any', notAfter: roots.notAfter }, rfc3339(this.#o.wallMs())) !== 'open'
      )
        throw notNow(`the trust roots counted until ${roots.notAfter}`)
      const blob = await lineage.putBlob(envelope)
      const { digest, version } = roots
      const lineageIndex = await recorder.record({ type: 'trust-roots', digest, version, blob })
      history.trustRoots = roots
      history.newestTrustRoots = { version, digest }
      return { digest, lineageIndex }
    })
  }

  /** The counter in the TPM moves last: a crash in between leaves the older approvals good until the next start. */
  loadSecretPolicy(envelope: Buffer): Promise<LoadedDocument> {
    return this.#inTurn('secret-policy', async () => {
      const { history, lineage, recorder, secretCounter } = this.#o
      const policy = this.#open(keys => openSecretPolicy(envelope, keys))
      checkSecretPolicySuccessor(history.newestSecretPolicy, policy)
      const advance = await secretCounter?.(policy)
      const blob = await lineage.putBlob(envelope)
      const { digest, version } = policy
      const lineageIndex = await recorder.record({ type: 'secret-policy', digest, version, blob })
      history.secretPolicy = policy
      history.newestSecretPolicy = { version, digest }
      await advance?.()
      return { digest, lineageIndex }
    })
  }

  loadReferenceValues(envelope: Buffer): Promise<LoadedDocument> {
    return this.#inTurn('reference-values', async () => {
      const { history, lineage, recorder } = this.#o
      const reference = this.#open(keys => openReferenceValues(envelope, keys))
      checkReferenceSuccessor(history.knownReferenceValues, reference.values)
      const blob = await lineage.putBlob(envelope)
      const { digest } = reference
      const lineageIndex = await recorder.record({ type: 'reference-values', digest, blob })
      history.referenceValues = reference
      history.knownReferenceValues = withRevision(history.knownReferenceValues, reference.values)
      return { digest, lineageIndex }
    })
  }

  /**
   * @param verified is told of all that will be revoked as soon as the document has been verified, for ending what runs: a kill never
   *   waits for the log. If the log then cannot be written, the revocation is not in force and what was ended stays ended.
   */
  revoke(
    envelope: Buffer,
    verified: (next: RevocationSet) => void = () => undefined,
  ): Promise<{ epoch: bigint; lineageIndex: bigint }> {
    return this.#inTurn('revocation', async () => {
      const { history, lineage, recorder } = this.#o
      const steps = this.#open(keys => openRevocationInSteps(envelope, keys))
      const document = await steps
      const next = history.revocations.with(document)
      verified(next)
      const [blob, manifest] = await Promise.all([lineage.putBlob(envelope), lineage.putBlob(next.manifest)])
      const { digest, epoch } = document
      const lineageIndex = await recorder.record({ type: 'revocation', digest, epoch, blob, manifest })
      history.revocations = next
      return { epoch: BigInt(epoch), lineageIndex }
    })
  }

  /** @throws AuthorizationError, {@link GovernanceError} when it is for another host, failure or tail */
  clear(envelope: Buffer): Promise<{ lineageIndex: bigint }> {
    return this.#inTurn('clearance', async () => {
      const { hostId, history, lineage, recorder, gate } = this.#o
      const { host, clears, digest } = this.#open(keys => openClearance(envelope, keys))
      if (host !== hostId) throw notApplicable(`it is for host ${host}`)
      if (clears.kind === 'tail') {
        if (history.uncleanTail !== BigInt(clears.tail))
          throw notApplicable(`no tail of ${clears.tail} is in doubt`)
        const blob = await lineage.putBlob(envelope)
        const lineageIndex = await recorder.record({ type: 'tail-accepted', tail: clears.tail, digest, blob })
        history.uncleanTail = null
        history.uses.setUncleanSince(null)
        return { lineageIndex }
      }
      if (clears.kind === 'rollback') throw notApplicable('the lineage was not put back')
      if (clears.kind === 'epoch') throw notApplicable('the lineage is not an epoch that waits')
      if (clears.kind === 'clock') return this.#clearClock(clears, envelope, digest)
      if (history.failureIndex !== BigInt(clears.transition)) {
        throw notApplicable(`entry ${clears.transition} is not the failure in force`)
      }
      const blob = await lineage.putBlob(envelope)
      const lineageIndex = await recorder.record({ type: 'failure-cleared', digest, blob })
      history.failure = null
      history.failureIndex = null
      gate.clearFailure([{ code: 'FAILURE_CLEARED', message: 'an operator cleared the failure' }])
      return { lineageIndex }
    })
  }

  async #clearClock(
    { entry, time }: Extract<Clearance['clears'], { kind: 'clock' }>,
    envelope: Buffer,
    digest: string,
  ): Promise<{ lineageIndex: bigint }> {
    const { history, lineage, recorder, clock } = this.#o
    if (history.clockFault?.index !== BigInt(entry))
      throw notApplicable(
        `entry ${entry} does not say that the clock is wrong, or is not the newest that does`,
      )
    const blob = await lineage.putBlob(envelope)
    const { wallMs } = clock.read()
    if (Math.abs(wallMs - Date.parse(time)) > CLOCK_CLEARANCE_MS)
      throw notApplicable(`it says ${time}, and the wall clock ${new Date(wallMs).toISOString()}`)
    const lineageIndex = await recorder.record({ type: 'clock-trusted', by: 'operator', digest, blob })
    history.clockFault = null
    clock.accept()
    return { lineageIndex }
  }

  /** Opens a document with the governance keys that are not revoked. What a key signed before it was stays in force. */
  #open<T>(open: (keys: readonly PublicKey[]) => T): T {
    const { keys, history } = this.#o
    const good = keys.filter(({ id }) => !history.revocations.has('key', id))
    try {
      return open(good)
    } catch (error) {
      if (good.length < keys.length && isSigned(() => open(keys)))
        throw revoked('a governance key that signed it')
      throw error
    }
  }

  #inTurn<T>(kind: RefusedDocument['kind'], work: () => Promise<T>): Promise<T> {
    const run = this.#turn.then(async () => {
      try {
        const done = await work()
        if (this.refused?.kind === kind) this.refused = null
        return done
      } catch (error) {
        const { code, at } = error instanceof WritError ? error : { code: 'INTERNAL', at: '' }
        this.refused = { kind, time: rfc3339(this.#o.wallMs()), code, at: (at ?? '').slice(0, 200) }
        throw error
      }
    })
    this.#turn = run.catch(() => undefined)
    return run
  }
}

function notNow(lapse: string): AuthorizationError {
  return new AuthorizationError('NOT_VALID_NOW', lapse, { at: 'notAfter' })
}

function notApplicable(why: string): GovernanceError {
  return new GovernanceError('CLEARANCE_NOT_APPLICABLE', `the clearance does not apply: ${why}`)
}

function revoked(what: string): AuthorizationError {
  return new AuthorizationError('DOCUMENT_REVOKED', `${what} is revoked`, { at: 'signatures' })
}

function isSigned(open: () => unknown): boolean {
  try {
    open()
    return true
  } catch {
    return false
  }
}
