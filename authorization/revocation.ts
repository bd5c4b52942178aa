import { setImmediate } from 'node:timers/promises'
import * as v from 'valibot'
import { sha256Hex } from '../encoding/digest.ts'
import { canonicalJsonBytes } from '../encoding/json.ts'
import { parseEnvelope } from '../signing/dsse.ts'
import type { PublicKey, Signer } from '../signing/key.ts'
import { openDocument, signDocument } from './document.ts'
import { checkShape, digest, executionId, hostId, integer, parseDocument, readJson } from './schema.ts'

export const REVOCATION_PAYLOAD_TYPE = 'application/vnd.writ.revocation.v1+json'

/** What can be revoked. The order is that of a document's lists. */
export const REVOCATION_KINDS = ['artifact', 'key', 'program', 'host', 'execution', 'policy'] as const
export type RevocationKind = (typeof REVOCATION_KINDS)[number]

/** Most that one document revokes: so much is read, checked and taken over without anybody waiting for it. A longer list is several documents. */
export const MAX_REVOKED_AT_ONCE = 2048

const ids = <T extends v.GenericSchema<unknown, string>>(id: T) =>
  v.exactOptional(v.pipe(v.array(id), v.minLength(1), v.maxLength(MAX_REVOKED_AT_ONCE)))

export const revocationSchema = v.strictObject({
  version: v.literal(1),
  /** Above every earlier document's. */
  epoch: integer(1, Number.MAX_SAFE_INTEGER),
  revoke: v.pipe(
    v.strictObject({
      /** By the digest of its decoded payload. */
      artifact: ids(digest),
      /** Of an authority, of governance, or a session key: by the SHA-256 of its SubjectPublicKeyInfo. */
      key: ids(digest),
      /** By the digest of any subject. */
      program: ids(digest),
      /** By the Name of its AK. */
      host: ids(hostId),
      execution: ids(executionId),
      /** A bundle by the digest of its payload, which is what artifacts and records name; a version number can have several contents. */
      policy: ids(digest),
    }),
    v.check(lists => {
      const count = countOf(lists)
      return count > 0 && count <= MAX_REVOKED_AT_ONCE
    }, `has to name between 1 and ${MAX_REVOKED_AT_ONCE} things`),
  ),
})
export type RevocationFields = v.InferOutput<typeof revocationSchema>

/** One thing to revoke. */
export type RevocationTarget =
  | { readonly kind: 'artifact' | 'program' | 'policy'; readonly digest: string }
  | { readonly kind: 'key' | 'host' | 'execution'; readonly id: string }

/** What somebody who signs a revocation says. */
export interface RevocationOrder {
  readonly version: 1
  readonly epoch: number
  readonly revoke: readonly RevocationTarget[]
}

/** A verified revocation document. */
export interface Revocation extends RevocationFields {
  readonly digest: string
  readonly envelope: Buffer
  readonly envelopeDigest: string
}

const LIMITS = { maxBytes: 1 << 20, maxDepth: 4 }

function countOf(lists: Partial<Record<RevocationKind, readonly string[]>>): number {
  return REVOCATION_KINDS.reduce((count, kind) => count + (lists[kind]?.length ?? 0), 0)
}

/** Parses the payload of a revocation. @throws AuthorizationError `REVOCATION_MALFORMED` */
export function parseRevocation(payload: Uint8Array): RevocationFields {
  return parseDocument(revocationSchema, payload, 'REVOCATION_MALFORMED', LIMITS)
}

/** Verifies and reads a revocation: envelope → governance signature → schema. @throws AuthorizationError */
export function openRevocation(bytes: Uint8Array, governance: readonly PublicKey[]): Revocation {
  const { payload, digest, envelope, envelopeDigest } = openDocument(
    bytes,
    REVOCATION_PAYLOAD_TYPE,
    governance,
  )
  return { ...parseRevocation(payload), digest, envelope, envelopeDigest }
}

/**
 * As {@link openRevocation}, with a turn of the event loop after each step: a long list is some milliseconds of work.
 *
 * @throws AuthorizationError
 */
export function openRevocationInSteps(
  bytes: Uint8Array,
  governance: readonly PublicKey[],
): Promise<Revocation> {
  const { payload, digest, envelope, envelopeDigest } = openDocument(
    bytes,
    REVOCATION_PAYLOAD_TYPE,
    governance,
  )
  return setImmediate()
    .then(() => readJson(payload, 'REVOCATION_MALFORMED', LIMITS))
    .then(value => setImmediate(value))
    .then(value => checkShape(revocationSchema, value, 'REVOCATION_MALFORMED'))
    .then(fields => setImmediate({ ...fields, digest, envelope, envelopeDigest }))
}

/**
 * Reads a revocation without its signature, which was checked when it was recorded: what forbids stays in force when the key that signed it
 * is no longer trusted.
 *
 * @throws AuthorizationError `REVOCATION_MALFORMED`; SigningError when it is not an envelope
 */
export function readRevocation(bytes: Uint8Array): Revocation {
  const { payload } = parseEnvelope(bytes)
  const envelope = Buffer.from(bytes)
  return {
    ...parseRevocation(payload),
    digest: sha256Hex(payload),
    envelope,
    envelopeDigest: sha256Hex(envelope),
  }
}

/** Signs a revocation with a governance key. @throws AuthorizationError `REVOCATION_MALFORMED` */
export function signRevocation({ version, epoch, revoke }: RevocationOrder, key: Signer): Buffer {
  const lists: { [kind in RevocationKind]?: string[] } = {}
  for (const target of revoke) {
    lists[target.kind] ??= []
    lists[target.kind]?.push('id' in target ? target.id : target.digest)
  }
  const fields = { version, epoch, revoke: lists }
  const payload = canonicalJsonBytes(checkShape(revocationSchema, fields, 'REVOCATION_MALFORMED'))
  return signDocument(REVOCATION_PAYLOAD_TYPE, payload, key)
}
