import {
  ARTIFACT_PAYLOAD_TYPE,
  type Authority,
  countSigners,
  parseStatement,
  type SignersFound,
  type Statement,
  shortOf,
  signedBy,
  type TrustRoots,
  windowAt,
} from '../../authorization/index.ts'
import { sha256Hex } from '../../encoding/digest.ts'
import { checkSignatures, type Envelope, MAX_SIGNATURES, parseEnvelope } from '../../signing/dsse.ts'
import type { PublicKey } from '../../signing/key.ts'
import { CliError } from '../error.ts'

/** An artifact to be approved: what was signed so far, and what it says. */
export interface Approvable {
  readonly envelope: Envelope
  readonly digest: string
  readonly statement: Statement
}

/** @param bytes controlled by whoever sent the artifact. @throws WritError */
export function readApprovable(bytes: Buffer): Approvable {
  const envelope = parseEnvelope(bytes)
  if (envelope.payloadType !== ARTIFACT_PAYLOAD_TYPE)
    throw new CliError(
      'FILE_MALFORMED',
      `its payload is of the type ${envelope.payloadType}, so it is no artifact`,
    )
  return { envelope, digest: sha256Hex(envelope.payload), statement: parseStatement(envelope.payload) }
}

function refused(why: string, next: string): CliError {
  return new CliError('NOT_APPROVED', why, { next })
}

/**
 * Refuses what can be told without trust roots: a key that signed it already, and a signature that says it is by this key and is not.
 *
 * @throws CliError `NOT_APPROVED`
 */
export function checkNotSigned({ envelope }: Approvable, key: PublicKey): void {
  if (checkSignatures(envelope, [key], 1).met)
    throw refused(
      `the key ${key.id} has signed this artifact already`,
      'Nothing is left to be done with this key.',
    )
  if (envelope.signatures.some(({ keyid }) => keyid === key.id))
    throw refused(
      `a signature that is said to be by ${key.id} is of other bytes`,
      'The artifact was changed, or its signatures come from another: get it again from where it was made.',
    )
  if (envelope.signatures.length >= MAX_SIGNATURES)
    throw refused(`it has ${MAX_SIGNATURES} signatures, and more are not read`, 'Issue it anew.')
}

/**
 * Refuses a signature that would count for nothing under these trust roots, and those before it that count for nothing.
 *
 * @param now RFC 3339 in UTC with milliseconds
 * @throws CliError `NOT_APPROVED`
 */
export function checkCounts(artifact: Approvable, key: PublicKey, roots: TrustRoots, now: string): void {
  const { issuer } = artifact.statement.predicate
  if (windowAt({ notBefore: 'any', notAfter: roots.notAfter }, now) !== 'open')
    throw refused(`the trust roots count only until ${roots.notAfter}`, 'Get the trust roots in force.')
  const authority = roots.authorities.get(issuer)
  const terms = authority?.keys.find(held => held.key.id === key.id)
  if (authority === undefined || terms === undefined)
    throw refused(
      authority === undefined
        ? `the trust roots know no authority ${issuer}`
        : `the key ${key.id} may not sign for ${issuer}`,
      '`writ key trust show` shows whose keys may.',
    )
  const window = windowAt(terms, now)
  if (window !== 'open') {
    const when = window === 'early' ? `only from ${terms.notBefore}` : `only until ${terms.notAfter}`
    throw refused(`the key ${key.id} of ${terms.holder} counts ${when}`, 'Use a key that counts now.')
  }
  checkForged(artifact.envelope, roots)
  const { by } = signedBy(artifact.envelope, authority)
  const sameHolder = by.filter(({ holder }) => holder === terms.holder)
  if (sameHolder.some(({ role }) => role === terms.role))
    throw refused(
      `${terms.holder} has signed it already, with another key: two keys of one holder count once`,
      'Somebody else has to approve it.',
    )
  if (terms.role === 'requester') return
  const others = by.some(({ role, holder }) => role === 'requester' && holder !== terms.holder)
  if (sameHolder.length > 0 && !others)
    throw refused(
      `${terms.holder} asked for it, so the approval of ${terms.holder} does not count`,
      'Somebody else has to approve it.',
    )
}

/** A signature that names a trusted key and is not by it was made over other bytes. */
function checkForged(envelope: Envelope, roots: TrustRoots): void {
  const named = envelope.signatures.find(
    ({ keyid, sig }) =>
      keyid !== undefined &&
      roots.keys.some(
        key =>
          key.id === keyid && !checkSignatures({ ...envelope, signatures: [{ keyid, sig }] }, [key], 1).met,
      ),
  )
  if (named !== undefined)
    throw refused(
      `the signature said to be by ${named.keyid} is not`,
      'The artifact was changed, or its signatures come from another: get it again from where it was made.',
    )
}

/** What the signatures come to under these trust roots, and what is missing, in words. */
export function approvalState(
  envelope: Envelope,
  authority: Authority,
  now: string,
): { readonly found: SignersFound; readonly missing: readonly string[] } {
  const found = countSigners(signedBy(envelope, authority), now)
  return { found, missing: found.met ? [] : shortOf(authority, found, false).map(({ message }) => message) }
}
