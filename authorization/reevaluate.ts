import { sha256Hex } from '../encoding/digest.ts'
import type { PublicKey } from '../signing/key.ts'
import { MAX_ARTIFACT_BYTES, type SentArtifact } from './artifact.ts'
import { type Decision, decideSent, unreadable } from './decision.ts'
import { AuthorizationError } from './error.ts'
import { begin } from './evaluation.ts'
import { type CheckResult, type DeterminingPolicies, policyOf, trace } from './explain.ts'
import { type HostLabels, openHostLabels, readHostLabels } from './host-labels.ts'
import type { DecisionInput, ParentState } from './input.ts'
import { type PolicyBundle, PolicyCache, readPolicyBundle } from './policy/compiled.ts'
import { type DecisionRecord, parseRecord, type RecordInputs } from './record.ts'
import { RevocationChain } from './revocation-chain.ts'
import type { RevocationSet } from './revocation-set.ts'
import { NOT_SIGNED, type Signed } from './signers.ts'
import type { Statement } from './statement.ts'
import type { LaunchTerms } from './terms.ts'
import { openTrustRoots, readTrustRoots, type TrustRoots } from './trust.ts'

/** What an auditor brings. Nothing of it may come from the evidence. */
export interface ReevaluationAnchors {
  /** Null: none is at hand. Documents are then read without their signatures, and whoever shows the outcome has to say so. */
  readonly governance: readonly PublicKey[] | null
}

export interface Reevaluation {
  /** Whether the same inputs led to the same bytes. */
  readonly same: boolean
  readonly record: DecisionRecord
  /** The bytes that the inputs lead to. */
  readonly expected: Buffer
}

/** One decision made again, with all that its checks looked at. */
export interface Explanation extends Reevaluation {
  /** All checks of the way of a request, in order. Empty when the inputs themselves could not be understood. */
  readonly checks: readonly CheckResult[]
  /** What the artifact says, if it could be read; signed only as far as its checks passed. */
  readonly statement: Statement | null
  /** Who signed it for its issuer. */
  readonly signed: Signed
  /** Null when no policy was in force. */
  readonly policy: DeterminingPolicies | null
}

const UNREADABLE = { checks: [], statement: null, signed: NOT_SIGNED, policy: null }

/** Gives the bytes of a blob. They are hashed here, so the source need not be trusted. */
export type BlobSource = (digest: string) => Uint8Array | Promise<Uint8Array>

/**
 * Decides recorded decisions again, with no host at hand: from the record, the blobs that it names, and the governance
 * keys that the auditor brings. Documents are verified and compiled once for all records that name them.
 */
export class Reevaluator {
  readonly #getBlob: BlobSource
  readonly #anchors: ReevaluationAnchors
  readonly #policies: PolicyCache
  readonly #trust = new Map<string, TrustRoots>()
  readonly #revocations: RevocationChain

  constructor(getBlob: BlobSource, anchors: ReevaluationAnchors) {
    this.#getBlob = getBlob
    this.#anchors = anchors
    this.#policies = new PolicyCache(anchors.governance ?? [])
    this.#revocations = new RevocationChain(digest => this.#blob(digest), anchors.governance)
  }

  /** Takes revocations over that somebody has folded by himself, for records that name them. */
  knows(revocations: RevocationSet): void {
    this.#revocations.add(revocations)
  }

  /**
   * @param bytes controlled by whoever brings the record
   * @throws AuthorizationError when the record or something that it names is missing, altered, malformed, or not signed
   *   by a governance key of the auditor's: then nothing can be said about the decision
   */
  async reevaluate(bytes: Uint8Array): Promise<Reevaluation> {
    const record = parseRecord(bytes)
    const expected = record.inputs === null ? unreadable().record : await this.#decide(record.inputs)
    return { same: expected.equals(bytes), record, expected }
  }

  /**
   * As {@link reevaluate}, and tells of each check what it looked at and what it found.
   *
   * @throws AuthorizationError as {@link reevaluate}
   */
  async explain(bytes: Uint8Array): Promise<Explanation> {
    const { same, record, expected } = await this.reevaluate(bytes)
    if (record.inputs === null) return { same, record, expected, ...UNREADABLE }
    const { input, artifact } = await this.#inputs(record.inputs)
    const evaluation = begin(input, artifact, record.inputs.observed)
    const checks = trace(evaluation)
    const { statement, signed } = evaluation.opened
    return { same, record, expected, checks, statement, signed, policy: policyOf(evaluation) }
  }

  /**
   * The permit that a record is of, made again: with what it was given for, as that was then.
   *
   * @throws AuthorizationError as {@link reevaluate}; `RECORD_MALFORMED` also for a record that its inputs do not lead to, or that permits nothing
   */
  async permit(bytes: Uint8Array): Promise<{
    readonly input: DecisionInput
    readonly decision: Decision
    readonly observed: RecordInputs['observed']
  }> {
    const { inputs } = parseRecord(bytes)
    if (inputs === null) throw new AuthorizationError('RECORD_MALFORMED', 'a record without inputs')
    const { input, artifact } = await this.#inputs(inputs)
    const decision = decideSent(input, artifact, inputs.observed)
    if (decision.outcome !== 'permit' || !decision.record.equals(bytes))
      throw new AuthorizationError('RECORD_MALFORMED', 'the inputs of the record do not lead to this permit')
    return { input: { ...input, artifact: artifact?.bytes ?? null }, decision, observed: inputs.observed }
  }

  async #decide(inputs: RecordInputs): Promise<Buffer> {
    const { input, artifact } = await this.#inputs(inputs)
    return decideSent(input, artifact, inputs.observed).record
  }

  /** The inputs as the decision had them. */
  async #inputs(
    inputs: RecordInputs,
  ): Promise<{ input: Omit<DecisionInput, 'artifact'>; artifact: SentArtifact | null }> {
    const {
      artifact,
      trustRoots,
      hostLabels,
      policy,
      revocations,
      uses,
      parent,
      observed: _,
      ...plain
    } = inputs
    const input: Omit<DecisionInput, 'artifact'> = {
      ...plain,
      trustRoots: trustRoots === null ? null : await this.#trustRoots(trustRoots),
      hostLabels: hostLabels === null ? null : await this.#hostLabels(hostLabels),
      policy: policy === null ? null : await this.#policy(policy),
      revocations: await this.#revocations.get(revocations),
      uses: {
        view: () => {
          if (uses !== null) return uses
          throw new AuthorizationError('RECORD_INCOMPLETE', 'the record has no view of the uses')
        },
      },
      parent: parent === null ? null : await this.#parent(parent),
    }
    return { input, artifact: await this.#artifact(artifact) }
  }

  async #hostLabels(digest: string): Promise<HostLabels> {
    const { governance } = this.#anchors
    const bytes = await this.#blob(digest)
    return governance === null ? readHostLabels(bytes) : openHostLabels(bytes, governance)
  }

  async #policy(digest: string): Promise<PolicyBundle> {
    if (this.#anchors.governance === null) return readPolicyBundle(await this.#blob(digest))
    return this.#policies.open(digest, () => this.#blob(digest))
  }

  async #blob(digest: string): Promise<Buffer> {
    let bytes: Uint8Array
    try {
      bytes = await this.#getBlob(digest)
    } catch (cause) {
      throw new AuthorizationError('BLOB_MISSING', `blob ${digest} is not at hand`, { at: digest, cause })
    }
    if (sha256Hex(bytes) !== digest) {
      throw new AuthorizationError('BLOB_ALTERED', `blob ${digest} has another digest`, { at: digest })
    }
    return Buffer.from(bytes)
  }

  async #artifact(sent: RecordInputs['artifact']): Promise<SentArtifact | null> {
    if (sent === null || sent.size > MAX_ARTIFACT_BYTES)
      return sent === null ? null : { ...sent, bytes: null }
    const bytes = await this.#blob(sent.digest)
    if (bytes.length !== sent.size) {
      throw new AuthorizationError('RECORD_MALFORMED', 'the artifact has another size', {
        at: 'inputs.artifact',
      })
    }
    return { ...sent, bytes }
  }

  async #trustRoots(digest: string): Promise<TrustRoots> {
    const known = this.#trust.get(digest)
    if (known !== undefined) return known
    const { governance } = this.#anchors
    const bytes = await this.#blob(digest)
    const roots = governance === null ? readTrustRoots(bytes) : openTrustRoots(bytes, governance)
    this.#trust.set(digest, roots)
    return roots
  }

  async #parent(parent: NonNullable<RecordInputs['parent']>): Promise<ParentState> {
    const { terms, above } = await this.#permitOf(parent)
    const ancestorPrograms: string[] = []
    let next = above
    for (const executionId of parent.ancestors) {
      if (next?.executionId !== executionId) {
        const what = `the record of the parent does not say that ${executionId} is above it`
        throw new AuthorizationError('RECORD_INCOMPLETE', what, { at: 'inputs.parent.ancestors' })
      }
      const ancestor = await this.#permitOf(next)
      ancestorPrograms.push(ancestor.terms.program.sha256)
      next = ancestor.above
    }
    return { ...parent, ancestorPrograms, terms }
  }

  /** What an execution was permitted, and its own parent, from the record of its decision. */
  async #permitOf({
    executionId,
    decisionRecord,
  }: Pick<ParentState, 'executionId' | 'decisionRecord'>): Promise<{
    terms: LaunchTerms
    above: RecordInputs['parent']
  }> {
    const { outcome, terms, inputs } = parseRecord(await this.#blob(decisionRecord))
    if (outcome !== 'permit' || terms === null || inputs?.request.executionId !== executionId) {
      throw new AuthorizationError(
        'RECORD_INCOMPLETE',
        "the parent's decision is not a permit of that execution",
        {
          at: 'inputs.parent',
        },
      )
    }
    return { terms, above: inputs.parent }
  }
}
