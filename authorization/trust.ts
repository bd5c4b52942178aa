import * as v from 'valibot'
import { canonicalJsonBytes } from '../encoding/json.ts'
import { base64ToBytes } from '../encoding/text.ts'
import { type PrivateKey, type PublicKey, readPublicKey } from '../signing/key.ts'
import { openDocument, readDocument, signDocument } from './document.ts'
import { AuthorizationError } from './error.ts'
import { authorityName, checkShape, integer, list, parseDocument } from './schema.ts'

export const TRUST_PAYLOAD_TYPE = 'application/vnd.writ.trust.v1+json'
/** Most distinct keys of all authorities together: each signature of an artifact is tried with each of them. */
export const MAX_AUTHORITY_KEYS = 64

const trustSchema = v.strictObject({
  /** Never goes back on one host. */
  version: integer(1, Number.MAX_SAFE_INTEGER),
  authorities: list(
    v.strictObject({
      name: authorityName,
      /** How many distinct keys have to sign. */
      threshold: integer(1, 16),
      /** Base64 DER SubjectPublicKeyInfo. */
      keys: v.pipe(list(v.pipe(v.string(), v.maxLength(256)), 16), v.minLength(1)),
    }),
    64,
    item => item.name,
  ),
})
export type TrustRootsFields = v.InferOutput<typeof trustSchema>

export interface Authority {
  readonly name: string
  readonly threshold: number
  readonly keys: readonly PublicKey[]
}

/** Which authorities may sign artifacts. */
export interface TrustRoots {
  readonly version: number
  readonly authorities: ReadonlyMap<string, Authority>
  /** All keys, each once. */
  readonly keys: readonly PublicKey[]
  readonly digest: string
  readonly envelope: Buffer
  readonly envelopeDigest: string
}

function malformed(what: string, at: string, cause?: unknown): AuthorizationError {
  return new AuthorizationError('TRUST_MALFORMED', `${at}: ${what}`, { at, cause })
}

function readKey(text: string, at: string): PublicKey {
  try {
    return readPublicKey(base64ToBytes(text, at))
  } catch (cause) {
    throw malformed(cause instanceof Error ? cause.message : 'not a key', at, cause)
  }
}

function readAuthorities({ authorities }: TrustRootsFields): Map<string, Authority> {
  const out = new Map<string, Authority>()
  const ids = new Set<string>()
  authorities.forEach(({ name, threshold, keys }, i) => {
    const at = `authorities[${i}]`
    const read = keys.map((text, k) => readKey(text, `${at}.keys[${k}]`))
    if (threshold > new Set(read.map(key => key.id)).size) {
      throw malformed(`a threshold of ${threshold} over ${read.length} keys`, `${at}.threshold`)
    }
    for (const key of read) ids.add(key.id)
    out.set(name, { name, threshold, keys: read })
  })
  if (ids.size > MAX_AUTHORITY_KEYS) throw malformed(`more than ${MAX_AUTHORITY_KEYS} keys`, 'authorities')
  return out
}

/**
 * Parses the payload of a trust roots document.
 *
 * @param payload controlled by whoever signed the document
 * @throws AuthorizationError `TRUST_MALFORMED`
 */
export function parseTrustRoots(payload: Uint8Array): Pick<TrustRoots, 'version' | 'authorities' | 'keys'> {
  const fields = parseDocument(trustSchema, payload, 'TRUST_MALFORMED', { maxBytes: 256 * 1024, maxDepth: 6 })
  const authorities = readAuthorities(fields)
  const keys = new Map([...authorities.values()].flatMap(({ keys }) => keys.map(key => [key.id, key])))
  return { version: fields.version, authorities, keys: [...keys.values()] }
}

/**
 * Verifies and reads trust roots: envelope → governance signature → schema → keys.
 *
 * @throws AuthorizationError
 */
export function openTrustRoots(bytes: Uint8Array, governance: readonly PublicKey[]): TrustRoots {
  const { payload, digest, envelope, envelopeDigest } = openDocument(bytes, TRUST_PAYLOAD_TYPE, governance)
  return { ...parseTrustRoots(payload), digest, envelope, envelopeDigest }
}

/** Reads trust roots without their signature: to show what a decision rested on. @throws AuthorizationError */
export function readTrustRoots(bytes: Uint8Array): TrustRoots {
  const { payload, ...names } = readDocument(bytes, TRUST_PAYLOAD_TYPE)
  return { ...parseTrustRoots(payload), ...names }
}

/**
 * Whether `next` may follow `current`: the version only goes up, and one version has one content.
 *
 * @throws AuthorizationError `ROLLED_BACK`
 */
export function checkTrustSuccessor(
  current: Pick<TrustRoots, 'version' | 'digest'> | null,
  next: TrustRoots,
): void {
  if (current === null || next.digest === current.digest || next.version > current.version) return
  throw new AuthorizationError(
    'ROLLED_BACK',
    `trust roots of version ${next.version} cannot follow version ${current.version}`,
    { at: 'version' },
  )
}

/** Signs trust roots with a governance key. @throws AuthorizationError `TRUST_MALFORMED` */
export function signTrustRoots(fields: TrustRootsFields, key: PrivateKey): Buffer {
  const payload = canonicalJsonBytes(checkShape(trustSchema, fields, 'TRUST_MALFORMED'))
  parseTrustRoots(payload)
  return signDocument(TRUST_PAYLOAD_TYPE, payload, key)
}
