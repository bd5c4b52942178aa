import { canonicalJsonBytes } from '../encoding/json.ts'
import { signEnvelope } from '../signing/dsse.ts'
import type { Signer } from '../signing/key.ts'
import { AuthorizationError } from './error.ts'
import {
  ARTIFACT_PAYLOAD_TYPE,
  type Authorization,
  MAX_STATEMENT_BYTES,
  PREDICATE_TYPE,
  parseStatement,
  STATEMENT_TYPE,
} from './statement.ts'

/** A subject of an artifact: a name that the scope refers to, and the SHA-256 of the bytes, or of a directory's manifest. */
export interface SubjectDigest {
  readonly name: string
  readonly sha256: string
  /** Of a directory. */
  readonly kind?: 'tree'
}

/**
 * The payload of an artifact, in canonical JSON.
 *
 * @throws AuthorizationError `STATEMENT_MALFORMED` when a verifier would refuse it
 */
export function statementBytes(subjects: readonly SubjectDigest[], predicate: Authorization): Buffer {
  const bytes = uncheckedStatementBytes(subjects, predicate)
  parseStatement(bytes)
  return bytes
}

/** The same of fields that were checked one by one on their way here. @throws AuthorizationError `STATEMENT_MALFORMED`: too long */
export function uncheckedStatementBytes(
  subjects: readonly SubjectDigest[],
  predicate: Authorization,
): Buffer {
  const bytes = canonicalJsonBytes({
    _type: STATEMENT_TYPE,
    subject: subjects.map(({ name, sha256, kind }) => ({
      name,
      digest: kind === 'tree' ? { writTreeV1: sha256 } : { sha256 },
    })),
    predicateType: PREDICATE_TYPE,
    predicate,
  })
  if (bytes.length <= MAX_STATEMENT_BYTES) return bytes
  throw new AuthorizationError(
    'STATEMENT_MALFORMED',
    `a statement of ${bytes.length} bytes, at most ${MAX_STATEMENT_BYTES}`,
  )
}

/**
 * Makes and signs an artifact.
 *
 * @param keys as many distinct keys of the issuer as its threshold asks
 * @returns the DSSE envelope's JSON bytes
 * @throws AuthorizationError `STATEMENT_MALFORMED`
 */
export function issueArtifact(
  subjects: readonly SubjectDigest[],
  predicate: Authorization,
  keys: readonly Signer[],
): Buffer {
  return signEnvelope(ARTIFACT_PAYLOAD_TYPE, statementBytes(subjects, predicate), keys)
}
