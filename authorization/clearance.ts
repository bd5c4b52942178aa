import * as v from 'valibot'
import { canonicalJsonBytes } from '../encoding/json.ts'
import type { PublicKey, Signer } from '../signing/key.ts'
import { openDocument, signDocument } from './document.ts'
import { checkShape, digest, hostId, integer, parseDocument, time } from './schema.ts'

export const CLEARANCE_PAYLOAD_TYPE = 'application/vnd.writ.failure-clearance.v1+json'

export const clearanceSchema = v.strictObject({
  version: v.literal(1),
  /** The one host that it is for. */
  host: hostId,
  clears: v.variant('kind', [
    /** The transition to FAILED, by its entry in the lineage: a clearance is good for one failure. */
    v.strictObject({ kind: v.literal('failure'), transition: integer(0, Number.MAX_SAFE_INTEGER) }),
    /** The tail of the log at an unclean stop, by the number of entries there were. */
    v.strictObject({ kind: v.literal('tail'), tail: integer(0, Number.MAX_SAFE_INTEGER) }),
    /** A restored log: so many entries with this root, found where the TPM's counter stood at this value. The counter never stands there again. */
    v.strictObject({
      kind: v.literal('rollback'),
      counter: v.pipe(v.string(), v.regex(/^(?:0|[1-9][0-9]{0,19})$/, 'not a decimal number')),
      tail: integer(0, Number.MAX_SAFE_INTEGER),
      root: digest,
    }),
    /** A log that took the place of one that could not go on, as it was found; its tree has what it commits to of the old one. The counter never stands there again. */
    v.strictObject({
      kind: v.literal('epoch'),
      epoch: integer(2, Number.MAX_SAFE_INTEGER),
      counter: v.pipe(v.string(), v.regex(/^(?:0|[1-9][0-9]{0,19})$/, 'not a decimal number')),
      tail: integer(1, Number.MAX_SAFE_INTEGER),
      root: digest,
    }),
    /** The wall clock that was found wrong, by that entry: it is right, and this is the time that somebody has who can tell. */
    v.strictObject({ kind: v.literal('clock'), entry: integer(0, Number.MAX_SAFE_INTEGER), time }),
  ]),
})
export type ClearanceFields = v.InferOutput<typeof clearanceSchema>

/** A verified clearance: an operator's word that one failure, one doubtful tail of the log, one restored or one new log has been looked at. */
export interface Clearance extends ClearanceFields {
  readonly digest: string
  readonly envelope: Buffer
}

/** Parses the payload of a clearance. @throws AuthorizationError `DOCUMENT_MALFORMED` */
export function parseClearance(payload: Uint8Array): ClearanceFields {
  return parseDocument(clearanceSchema, payload, 'DOCUMENT_MALFORMED', { maxBytes: 4096, maxDepth: 3 })
}

/** Verifies and reads a clearance: envelope → governance signature → schema. @throws AuthorizationError */
export function openClearance(bytes: Uint8Array, governance: readonly PublicKey[]): Clearance {
  const { payload, digest, envelope } = openDocument(bytes, CLEARANCE_PAYLOAD_TYPE, governance)
  return { ...parseClearance(payload), digest, envelope }
}

/** Signs a clearance with a governance key. @throws AuthorizationError `DOCUMENT_MALFORMED` */
export function signClearance(fields: ClearanceFields, key: Signer): Buffer {
  const payload = canonicalJsonBytes(checkShape(clearanceSchema, fields, 'DOCUMENT_MALFORMED'))
  return signDocument(CLEARANCE_PAYLOAD_TYPE, payload, key)
}
