import * as v from 'valibot'
import { sha256Hex } from '../encoding/digest.ts'
import { canonicalJsonBytes } from '../encoding/json.ts'
import { parseEnvelope } from '../signing/dsse.ts'
import type { PrivateKey, PublicKey } from '../signing/key.ts'
import { openDocument, signDocument } from './document.ts'
import { AuthorizationError } from './error.ts'
import { checkShape, digest, executionId, integer, parseDocument } from './schema.ts'

export const REVOCATION_PAYLOAD_TYPE = 'application/vnd.writ.revocation.v1+json'

const target = v.variant('kind', [
  /** By the digest of its decoded payload. */
  v.strictObject({ kind: v.literal('artifact'), digest }),
  /** By the SHA-256 of its SubjectPublicKeyInfo. */
  v.strictObject({ kind: v.literal('key'), id: digest }),
  /** By the digest of any subject. */
  v.strictObject({ kind: v.literal('program'), digest }),
  v.strictObject({ kind: v.literal('execution'), id: executionId }),
])
const revocationSchema = v.strictObject({
  version: v.literal(1),
  /** Above every earlier document's. */
  epoch: integer(1, Number.MAX_SAFE_INTEGER),
  revoke: v.pipe(v.array(target), v.minLength(1), v.maxLength(4096)),
})
export type RevocationFields = v.InferOutput<typeof revocationSchema>
export type RevocationTarget = v.InferOutput<typeof target>
export type RevocationKind = RevocationTarget['kind']

/** A verified revocation document. */
export interface Revocation extends RevocationFields {
  readonly digest: string
  readonly envelope: Buffer
  readonly envelopeDigest: string
}

/** What a revocation can hit, keys apart. */
export interface Revocable {
  readonly artifactDigest: string | null
  readonly subjectDigests: readonly string[]
  /** The execution itself and its ancestors. */
  readonly executionIds: readonly string[]
}

function idOf(item: RevocationTarget): string {
  return item.kind === 'artifact' || item.kind === 'program' ? item.digest : item.id
}

const EMPTY_MANIFEST = canonicalJsonBytes({ v: 1, documents: [] })

/**
 * All that is revoked: the fold of the revocation documents in the order they came. Nothing is ever taken back.
 * Immutable: {@link with} gives a new set, so that a decision in progress keeps the one that it began with.
 */
export class RevocationSet {
  static readonly empty = new RevocationSet(new Map(), 0, [], EMPTY_MANIFEST)

  /** `kind:id` → epoch of the document that revoked it first. */
  readonly #items: ReadonlyMap<string, number>
  readonly #documents: readonly string[]
  /** Epoch of the newest document; 0 if there is none. */
  readonly epoch: number
  /** Canonical JSON that lists the envelopes by digest; decision records refer to it by {@link digest}. */
  readonly manifest: Buffer
  readonly digest: string

  private constructor(
    items: ReadonlyMap<string, number>,
    epoch: number,
    documents: readonly string[],
    manifest: Buffer,
  ) {
    this.#items = items
    this.#documents = documents
    this.epoch = epoch
    this.manifest = manifest
    this.digest = sha256Hex(manifest)
  }

  /** The set with more documents, in order. @throws AuthorizationError `ROLLED_BACK` when an epoch is not above the last */
  with(...added: readonly Revocation[]): RevocationSet {
    const items = new Map(this.#items)
    let epoch = this.epoch
    for (const document of added) {
      if (document.epoch <= epoch) {
        const what = `a revocation of epoch ${document.epoch} cannot follow epoch ${epoch}`
        throw new AuthorizationError('ROLLED_BACK', what, { at: 'epoch' })
      }
      epoch = document.epoch
      for (const item of document.revoke) {
        const key = `${item.kind}:${idOf(item)}`
        if (!items.has(key)) items.set(key, epoch)
      }
    }
    const documents = [...this.#documents, ...added.map(document => document.envelopeDigest)]
    return new RevocationSet(items, epoch, documents, canonicalJsonBytes({ v: 1, documents }))
  }

  has(kind: RevocationKind, id: string): boolean {
    return this.#items.has(`${kind}:${id}`)
  }

  /** All that is revoked, oldest first. */
  list(): { readonly kind: RevocationKind; readonly id: string; readonly epoch: number }[] {
    return [...this.#items].map(([key, epoch]) => {
      const colon = key.indexOf(':')
      return { kind: key.slice(0, colon) as RevocationKind, id: key.slice(colon + 1), epoch }
    })
  }

  /** All of `it` that is revoked, keys apart: those count against a threshold (see {@link goodKeys}). */
  hits(it: Revocable): { readonly kind: RevocationKind; readonly id: string }[] {
    const named: [RevocationKind, readonly string[]][] = [
      ['artifact', it.artifactDigest === null ? [] : [it.artifactDigest]],
      ['program', it.subjectDigests],
      ['execution', it.executionIds],
    ]
    return named.flatMap(([kind, ids]) => ids.filter(id => this.has(kind, id)).map(id => ({ kind, id })))
  }

  /** The keys that are not revoked. */
  goodKeys(keyIds: readonly string[]): string[] {
    return keyIds.filter(key => !this.has('key', key))
  }
}

/** The documents of a manifest. @throws AuthorizationError `REVOCATION_MALFORMED` */
export function parseRevocationManifest(bytes: Uint8Array): readonly string[] {
  const schema = v.strictObject({ v: v.literal(1), documents: v.array(digest) })
  return parseDocument(schema, bytes, 'REVOCATION_MALFORMED', { maxBytes: 16 << 20, maxDepth: 3 }).documents
}

/** Parses the payload of a revocation. @throws AuthorizationError `REVOCATION_MALFORMED` */
export function parseRevocation(payload: Uint8Array): RevocationFields {
  return parseDocument(revocationSchema, payload, 'REVOCATION_MALFORMED', { maxBytes: 1 << 20, maxDepth: 4 })
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
export function signRevocation(fields: RevocationFields, key: PrivateKey): Buffer {
  const payload = canonicalJsonBytes(checkShape(revocationSchema, fields, 'REVOCATION_MALFORMED'))
  return signDocument(REVOCATION_PAYLOAD_TYPE, payload, key)
}
