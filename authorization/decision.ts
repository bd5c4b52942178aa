import * as v from 'valibot'
import { type OpenedArtifact, type SentArtifact, sentArtifact } from './artifact.ts'
import { AuthorizationError } from './error.ts'
import { begin, type Evaluation, toOpen } from './evaluation.ts'
import { type DecisionInput, type PlainInput, plainInputSchema } from './input.ts'
import { type Reason, reason } from './reason.ts'
import { type DecisionRecord, RECORD_TYPE, recordBytes, recordReferences, type Stage } from './record.ts'
import { checkedRequest, type ObservedSubject } from './request.ts'
import { checkShape } from './schema.ts'
import type { SubjectToOpen } from './scope.ts'
import { NOT_SIGNED, type Signed } from './signers.ts'
import { STEPS } from './stages.ts'
import type { Statement } from './statement.ts'
import type { LaunchTerms } from './terms.ts'
import type { UseClaim, UseReservation, UseTable } from './uses.ts'

/** Permit or deny, with every reason of the stage that denied. */
export interface Decision {
  readonly outcome: 'permit' | 'deny'
  /** The stage that denied; null for a permit. */
  readonly stage: Stage | null
  readonly reasons: readonly Reason[]
  /** Digest of the artifact's decoded payload; also of one that was denied, if there was a payload. */
  readonly artifactDigest: string | null
  /** Only of a permit under an artifact. */
  readonly statement: Statement | null
  /** Who signed for the issuer, and what it asks: what a later revocation is held against. */
  readonly signed: Signed
  /** Only of a permit. */
  readonly terms: LaunchTerms | null
  /** What the permit consumes. Null for a denial, and for `authorize`, which consumes nothing. */
  readonly use: UseClaim | null
  /** Canonical JSON of the {@link DecisionRecord}. */
  readonly record: Buffer
  /** Digests of the blobs that the record refers to. The sent artifact is among them unless it was too long to read. */
  readonly references: readonly string[]
  readonly grounds: Grounds
}

/** What a decision looked at that has an entry of its own in the log; null for what there was none of. */
export interface Grounds {
  /** Digests of the envelopes in force. */
  readonly policy: string | null
  readonly trustRoots: string | null
  /** Position of the appraisal that the gate was open on. */
  readonly appraisal: string | null
}

const NO_GROUNDS: Grounds = { policy: null, trustRoots: null, appraisal: null }

/** The first stage passed: what to open, and what {@link decideAfterOpen} goes on with. */
export interface ToOpen {
  readonly subjects: readonly SubjectToOpen[]
  readonly opened: OpenedArtifact
  readonly statement: Statement | null
}

const {
  request: _request,
  caller: callerSchema,
  host: hostSchema,
  minting: mintingSchema,
  ...rest
} = plainInputSchema.entries
/** What is another at each look. */
const moment = v.strictObject(rest)
const checkedCaller = checkedOnce(callerSchema)
const checkedHost = checkedOnce(hostSchema)
const checkedMinting = checkedOnce(mintingSchema)

const INTERNAL_MESSAGE = 'the decision could not be completed'

/**
 * The first stage: caller, artifact, validity, audience, initiator. Opens nothing, waits for nothing, does not throw.
 *
 * @param known the artifact as it was opened for an earlier request; looked at only if it is the same under the same trust
 * @returns a denial, or what has to be opened and hashed for {@link decideAfterOpen}
 */
export function decideBeforeOpen(
  input: DecisionInput,
  known?: OpenedArtifact,
): { readonly denied: Decision } | ToOpen {
  return guarded<{ readonly denied: Decision } | ToOpen>(
    input,
    input.artifact,
    null,
    denied => ({ denied }),
    (plain, sent) => {
      const evaluation = begin({ ...input, ...plain }, sent, null, reusable(known, sent, input))
      const denied = run(evaluation, STEPS.slice(0, 1))
      if (denied !== null) return { denied }
      const { opened } = evaluation
      return { subjects: toOpen(evaluation), opened, statement: opened.statement }
    },
  )
}

/**
 * All stages, the first one again: the clock, the gate and the revocations may have moved while subjects were opened.
 * Does not throw. The table of uses is only looked at; see {@link decideAndReserve}.
 *
 * @param observed what is at each path that was to be opened; null if nothing was
 * @param opened from {@link decideBeforeOpen}; its signatures are not checked a second time while trust is the same
 */
export function decideAfterOpen(
  input: DecisionInput,
  observed: readonly ObservedSubject[] | null,
  opened?: OpenedArtifact,
): Decision {
  return decideSent(input, input.artifact, observed, opened)
}

/** As {@link decideAfterOpen}, with an artifact of which only the digest may be left. */
export function decideSent(
  input: Omit<DecisionInput, 'artifact'>,
  artifact: Uint8Array | SentArtifact | null,
  observed: readonly ObservedSubject[] | null,
  opened?: OpenedArtifact,
): Decision {
  return guarded(
    input,
    artifact,
    observed,
    denied => denied,
    (plain, sent) => {
      const evaluation = begin({ ...input, ...plain }, sent, observed, reusable(opened, sent, input))
      return run(evaluation, STEPS) ?? conclude(evaluation, null, [])
    },
  )
}

/**
 * As {@link decideAfterOpen}, and takes the use of a permit in the same synchronous step. The caller makes the permit
 * durable and then commits the reservation, or releases it when the permit is certain not to be in the log.
 */
export function decideAndReserve(
  input: DecisionInput & { readonly uses: UseTable },
  observed: readonly ObservedSubject[] | null,
  opened?: OpenedArtifact,
): { readonly decision: Decision; readonly reservation: UseReservation | null } {
  const decision = decideAfterOpen(input, observed, opened)
  if (decision.use === null) return { decision, reservation: null }
  const notAfter = decision.statement?.predicate.validity.notAfter ?? ''
  const reservation = input.uses.reserve(decision.use, notAfter)
  // Nothing runs between the look and the take, so this would be a fault of the table's.
  if (reservation === null) return { decision: internal(input, input.artifact, observed), reservation: null }
  return { decision, reservation }
}

function reusable(
  opened: OpenedArtifact | undefined,
  sent: SentArtifact | null,
  input: Pick<DecisionInput, 'trustRoots' | 'minting' | 'host'>,
): OpenedArtifact | undefined {
  if (opened === undefined) return undefined
  const { roots } = opened
  const same =
    opened.sent?.digest === sent?.digest &&
    roots.trustRoots === input.trustRoots &&
    roots.host.id === input.host.id &&
    roots.minting.enabled === input.minting.enabled &&
    roots.minting.sessionKeySpki === input.minting.sessionKeySpki
  return same ? opened : undefined
}

function run(evaluation: Evaluation, steps: typeof STEPS): Decision | null {
  for (const [stage, check] of steps) {
    const reasons = check(evaluation)
    if (reasons.length > 0) return conclude(evaluation, stage, reasons)
  }
  return null
}

type GuardedInput = Omit<DecisionInput, 'artifact'>

/** Runs the work; whatever it throws becomes a denial, and a record that leads to the same denial again. */
function guarded<T>(
  input: GuardedInput,
  artifact: Uint8Array | SentArtifact | null,
  observed: readonly ObservedSubject[] | null,
  deny: (denial: Decision) => T,
  work: (plain: PlainInput, sent: SentArtifact | null) => T,
): T {
  try {
    return work(plainInput(input), readSent(artifact))
  } catch {
    return deny(internal(input, artifact, observed))
  }
}

function readSent(artifact: Uint8Array | SentArtifact | null): SentArtifact | null {
  return artifact instanceof Uint8Array ? sentArtifact(artifact) : artifact
}

function plainInput({
  request,
  caller,
  host,
  gate,
  lineage,
  fault,
  clock,
  minting,
}: GuardedInput): PlainInput {
  return {
    request: checkedRequest(request),
    caller: checkedCaller(caller),
    host: checkedHost(host),
    minting: checkedMinting(minting),
    ...checkShape(moment, { gate, lineage, fault, clock }, 'INPUT_MALFORMED'),
  }
}

/**
 * Checks the shape of a part once: a decision looks twice at its inputs, and some are the same for many decisions. Nobody changes
 * them in between ({@link DecisionInput}).
 */
function checkedOnce<T extends v.GenericSchema>(schema: T): (part: v.InferOutput<T>) => v.InferOutput<T> {
  const shaped = new WeakMap<object, v.InferOutput<T>>()
  return part => {
    if (typeof part !== 'object' || part === null) return checkShape(schema, part, 'INPUT_MALFORMED')
    const known = shaped.get(part)
    if (known !== undefined) return known
    const checked = checkShape(schema, part, 'INPUT_MALFORMED')
    shaped.set(part, checked)
    return checked
  }
}

/** A denial with INTERNAL. The fault becomes an input, so that the record is re-evaluated to the same bytes. */
function internal(
  input: GuardedInput,
  artifact: Uint8Array | SentArtifact | null,
  observed: readonly ObservedSubject[] | null,
): Decision {
  const fault = { code: 'INTERNAL', message: INTERNAL_MESSAGE } as const
  try {
    const plain = { ...plainInput(input), fault }
    const evaluation = begin({ ...input, ...plain }, readSent(artifact), observed)
    const denial = run(evaluation, STEPS.slice(0, 1))
    if (denial === null) throw new AuthorizationError('INPUT_MALFORMED', 'a fault is a reason')
    return denial
  } catch {
    return unreadable()
  }
}

/** The denial when not even the inputs can be written down. */
export function unreadable(): Decision {
  return {
    ...denied('artifact', [reason('INTERNAL', INTERNAL_MESSAGE)]),
    record: recordBytes({
      v: 1,
      type: RECORD_TYPE,
      inputs: null,
      outcome: 'deny',
      stage: 'artifact',
      reasons: [{ code: 'INTERNAL', message: INTERNAL_MESSAGE }],
      artifactDigest: null,
      terms: null,
      use: null,
    }),
    references: [],
    grounds: NO_GROUNDS,
  }
}

function denied(
  stage: Stage,
  reasons: readonly Reason[],
): Omit<Decision, 'record' | 'references' | 'grounds'> {
  return {
    outcome: 'deny',
    stage,
    reasons,
    artifactDigest: null,
    statement: null,
    signed: NOT_SIGNED,
    terms: null,
    use: null,
  }
}

function conclude(evaluation: Evaluation, stage: Stage | null, reasons: readonly Reason[]): Decision {
  const { opened, terms, use } = evaluation
  const artifactDigest = opened.digest
  const found =
    stage === null
      ? {
          outcome: 'permit' as const,
          stage,
          reasons,
          artifactDigest,
          statement: opened.statement,
          signed: opened.signed,
          terms,
          use,
        }
      : { ...denied(stage, reasons), artifactDigest }
  const { input, sent, observed, view } = evaluation
  const { request, caller, host, gate, lineage, fault, clock, minting, parent } = input
  const record: DecisionRecord = {
    v: 1,
    type: RECORD_TYPE,
    inputs: {
      ...{ request, caller, host, gate, lineage, fault, clock, minting },
      artifact: sent === null ? null : { digest: sent.digest, size: sent.size },
      trustRoots: input.trustRoots?.envelopeDigest ?? null,
      hostLabels: input.hostLabels?.envelopeDigest ?? null,
      policy: input.policy?.envelopeDigest ?? null,
      revocations: input.revocations.digest,
      uses: view,
      parent:
        parent === null
          ? null
          : {
              executionId: parent.executionId,
              live: parent.live,
              childrenStarted: parent.childrenStarted,
              childrenRunning: parent.childrenRunning,
              childrenLastMinute: parent.childrenLastMinute,
              ancestors: [...parent.ancestors],
              decisionRecord: parent.decisionRecord,
            },
      observed: observed === null ? null : [...observed],
    },
    outcome: found.outcome,
    stage,
    reasons: reasons.map(item => ({ ...item })),
    artifactDigest,
    terms: found.terms,
    use: found.use,
  }
  return {
    ...found,
    record: recordBytes(record),
    references: recordReferences(record),
    grounds: {
      policy: input.policy?.envelopeDigest ?? null,
      trustRoots: input.trustRoots?.envelopeDigest ?? null,
      appraisal: gate.appraisalIndex,
    },
  }
}
