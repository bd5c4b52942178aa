import * as v from 'valibot'
import { canonicalJsonBytes, type JsonValue, parseJson } from '../encoding/json.ts'
import { MAX_ARTIFACT_BYTES } from './artifact.ts'
import { AuthorizationError } from './error.ts'
import { parentSchema, plainInputSchema } from './input.ts'
import { REASON_CODES } from './reason.ts'
import { observedSchema } from './request.ts'
import { checkShape, digest, integer } from './schema.ts'
import { termsSchema } from './terms.ts'
import { useViewSchema } from './uses.ts'

export const RECORD_TYPE = 'https://writ.dev/decision/v1'

/** The stages of a decision, in order. A stage begins when the one before found nothing. */
export const STAGES = ['artifact', 'subjects', 'integrity', 'policy', 'use'] as const
export type Stage = (typeof STAGES)[number]

const inputs = v.strictObject({
  ...plainInputSchema.entries,
  /** Digest and size of the envelope as it was sent. */
  artifact: v.nullable(v.strictObject({ digest, size: integer(0, Number.MAX_SAFE_INTEGER) })),
  /** Digests of the envelopes in force. */
  trustRoots: v.nullable(digest),
  hostLabels: v.nullable(digest),
  policy: v.nullable(digest),
  /** Digest of the manifest of revocations. */
  revocations: digest,
  /** Null where the decision did not get so far as to ask. */
  uses: v.nullable(useViewSchema),
  parent: v.nullable(parentSchema),
  observed: v.nullable(v.pipe(v.array(observedSchema), v.maxLength(512))),
})

export const recordSchema = v.strictObject({
  v: v.literal(1),
  type: v.literal(RECORD_TYPE),
  /** Null when the inputs themselves could not be understood; such a record is a denial with INTERNAL. */
  inputs: v.nullable(inputs),
  outcome: v.picklist(['permit', 'deny']),
  /** The stage that denied. */
  stage: v.nullable(v.picklist(STAGES)),
  reasons: v.array(
    v.strictObject({ code: v.picklist(REASON_CODES), message: v.string(), at: v.exactOptional(v.string()) }),
  ),
  /** Digest of the artifact's decoded payload. */
  artifactDigest: v.nullable(digest),
  terms: v.nullable(termsSchema),
  use: v.nullable(
    v.strictObject({
      payload: digest,
      issuer: v.string(),
      id: v.string(),
      maxUses: v.nullable(integer(1, Number.MAX_SAFE_INTEGER)),
    }),
  ),
})

/** All that is needed to decide again: the inputs, plain or by digest, and what came of them. */
export type DecisionRecord = v.InferOutput<typeof recordSchema>
export type RecordInputs = NonNullable<DecisionRecord['inputs']>

/** Digests of the blobs that a record refers to, in their order. An artifact too long to be read is not among them. */
export function recordReferences({ inputs }: DecisionRecord): string[] {
  if (inputs === null) return []
  const { artifact, trustRoots, hostLabels, policy, revocations, parent } = inputs
  const kept = artifact === null || artifact.size > MAX_ARTIFACT_BYTES ? null : artifact.digest
  const all = [kept, trustRoots, hostLabels, policy, revocations, parent?.decisionRecord ?? null]
  return [...new Set(all.filter(digest => digest !== null))]
}

/** The bytes of a record: canonical JSON, so that equal decisions have equal digests. */
export function recordBytes(record: DecisionRecord): Buffer {
  return canonicalJsonBytes(record)
}

/** Most bytes and levels of a record. */
const LIMITS = { maxBytes: 4 << 20, maxDepth: 8 }

/**
 * Parses a record. What it claims is not checked here: see `reevaluate.ts`.
 *
 * @param bytes controlled by whoever brings the record
 * @throws AuthorizationError `RECORD_MALFORMED`; `RECORD_VERSION_UNKNOWN` for one of another version, which is never read as if it were of
 *   this one
 */
export function parseRecord(bytes: Uint8Array): DecisionRecord {
  let value: JsonValue
  try {
    value = parseJson(bytes, LIMITS)
  } catch (cause) {
    throw new AuthorizationError('RECORD_MALFORMED', cause instanceof Error ? cause.message : 'not JSON', {
      cause,
    })
  }
  checkVersion(value)
  return checkShape(recordSchema, value, 'RECORD_MALFORMED')
}

/** The version is looked at before anything else: another one may have other fields. */
function checkVersion(value: JsonValue): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return
  const { v: version, type } = value
  const known = (version === undefined || version === 1) && (type === undefined || type === RECORD_TYPE)
  if (known) return
  const said = `${JSON.stringify(version ?? null)} of ${JSON.stringify(type ?? null)}`.slice(0, 200)
  throw new AuthorizationError(
    'RECORD_VERSION_UNKNOWN',
    `a decision record of version ${said}; this build reads version 1 of ${RECORD_TYPE}`,
    { at: version === undefined || version === 1 ? 'type' : 'v' },
  )
}
