import * as v from 'valibot'
import { canonicalJsonBytes } from '../encoding/json.ts'
import { base64ToBytes } from '../encoding/text.ts'
import { type PublicKey, readPublicKey, type Signer } from '../signing/key.ts'
import { openDocument, readDocument, signDocument } from './document.ts'
import { AuthorizationError } from './error.ts'
import { authorityName, checkShape, integer, list, orAny, parseDocument, text, time } from './schema.ts'
import { type KeyTerms, type SigningRule, windowAt } from './signers.ts'

export const TRUST_PAYLOAD_TYPE = 'application/vnd.writ.trust.v1+json'
/** Most distinct keys of all authorities together: each signature of an artifact is tried with each of them. */
export const MAX_AUTHORITY_KEYS = 64
/** Most keys of one authority: its approvers and requesters, and those that follow on them. */
const MAX_KEYS_OF_ONE = 32

/** A person or a service: a name, or an address of mail. */
const holderName = text(/^[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}$/, 'not the name of a holder')

const trustedKey = v.strictObject({
  /** Base64 DER SubjectPublicKeyInfo. */
  key: v.pipe(v.string(), v.maxLength(256)),
  /** Who has it. A threshold counts holders, so that nobody counts twice for having two keys. */
  holder: holderName,
  role: v.picklist(['approver', 'requester']),
  /** When its signatures count, judged at the decision. */
  notBefore: orAny(time),
  notAfter: orAny(time),
})

export const trustSchema = v.strictObject({
  /** Never goes back on one host. */
  version: integer(1, Number.MAX_SAFE_INTEGER),
  /** From this instant on nothing is permitted under them. */
  notAfter: orAny(time),
  authorities: list(
    v.strictObject({
      name: authorityName,
      /** How many distinct holders have to approve. */
      threshold: integer(1, 16),
      /** Whether somebody has to have asked for it, whose own approval does not count. */
      requester: v.picklist(['required', 'none']),
      keys: v.pipe(v.array(trustedKey), v.minLength(1), v.maxLength(MAX_KEYS_OF_ONE)),
    }),
    64,
    item => item.name,
  ),
})
export type TrustRootsFields = v.InferOutput<typeof trustSchema>
type AuthorityFields = TrustRootsFields['authorities'][number]

export interface AuthorityKey extends KeyTerms {
  readonly key: PublicKey
}

export interface Authority extends SigningRule {
  readonly name: string
  readonly keys: readonly AuthorityKey[]
}

/** Which authorities may sign artifacts. */
export interface TrustRoots {
  readonly version: number
  /** From this instant on they permit nothing; or `any`. */
  readonly notAfter: string
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

function readAuthority({ name, threshold, requester, keys }: AuthorityFields, at: string): Authority {
  const ids = new Set<string>()
  const read = keys.map(({ key: text, ...terms }, k) => {
    const key = readKey(text, `${at}.keys[${k}].key`)
    if (ids.has(key.id)) throw malformed('the key is listed twice', `${at}.keys[${k}].key`)
    ids.add(key.id)
    if (terms.notBefore !== 'any' && terms.notAfter !== 'any' && terms.notAfter <= terms.notBefore)
      throw malformed('it ends before it begins', `${at}.keys[${k}].notAfter`)
    return { key, ...terms }
  })
  const authority = { name, authority: name, threshold, requester, keys: read }
  checkReachable(authority, at)
  return authority
}

/** A threshold that nobody can meet is a mistake, and so is a requester whom nobody asks for. */
function checkReachable({ threshold, requester, keys }: Authority, at: string): void {
  const holders = (role: KeyTerms['role']) => [
    ...new Set(keys.filter(key => key.role === role).map(({ holder }) => holder)),
  ]
  const approvers = holders('approver')
  const requesters = holders('requester')
  if (requester === 'none' && requesters.length > 0)
    throw malformed('there are requesters, and none is required', `${at}.requester`)
  if (requester === 'required' && requesters.length === 0)
    throw malformed('a requester is required, and no key is one', `${at}.requester`)
  const others = requesters.map(one => approvers.filter(holder => holder !== one).length)
  const most = requester === 'none' ? approvers.length : Math.max(...others)
  if (threshold <= most) return
  const who = requester === 'none' ? 'approvers' : 'approvers beside whoever asks for it'
  throw malformed(`a threshold of ${threshold}, and ${most} ${who}`, `${at}.threshold`)
}

function readAuthorities({ authorities }: TrustRootsFields): Map<string, Authority> {
  const out = new Map<string, Authority>()
  const holders = new Map<string, string>()
  authorities.forEach((fields, i) => {
    const authority = readAuthority(fields, `authorities[${i}]`)
    authority.keys.forEach(({ key, holder }, k) => {
      // One key of two holders would be two voices.
      const other = holders.get(key.id) ?? holder
      if (other !== holder)
        throw malformed(`the key is ${other}'s elsewhere`, `authorities[${i}].keys[${k}].holder`)
      holders.set(key.id, holder)
    })
    out.set(authority.name, authority)
  })
  if (holders.size > MAX_AUTHORITY_KEYS)
    throw malformed(`more than ${MAX_AUTHORITY_KEYS} keys`, 'authorities')
  return out
}

/** What the payload of a trust roots document says. */
export type TrustRootsContent = Pick<TrustRoots, 'version' | 'notAfter' | 'authorities' | 'keys'>

/**
 * Parses the payload of a trust roots document.
 *
 * @param payload controlled by whoever signed the document
 * @throws AuthorizationError `TRUST_MALFORMED`
 */
export function parseTrustRoots(payload: Uint8Array): TrustRootsContent {
  const fields = parseDocument(trustSchema, payload, 'TRUST_MALFORMED', { maxBytes: 256 * 1024, maxDepth: 6 })
  const authorities = readAuthorities(fields)
  const keys = new Map([...authorities.values()].flatMap(({ keys }) => keys.map(({ key }) => [key.id, key])))
  return { version: fields.version, notAfter: fields.notAfter, authorities, keys: [...keys.values()] }
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
 * Why nothing is permitted under trust roots at this time, in words; null where they count.
 *
 * @param now RFC 3339 in UTC with milliseconds
 */
export function trustLapseOf(
  { version, notAfter }: Pick<TrustRoots, 'version' | 'notAfter'>,
  now: string,
): string | null {
  if (windowAt({ notBefore: 'any', notAfter }, now) === 'open') return null
  return `the trust roots, version ${version}, count only until ${notAfter}`
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
export function signTrustRoots(fields: TrustRootsFields, key: Signer): Buffer {
  const payload = canonicalJsonBytes(checkShape(trustSchema, fields, 'TRUST_MALFORMED'))
  parseTrustRoots(payload)
  return signDocument(TRUST_PAYLOAD_TYPE, payload, key)
}
