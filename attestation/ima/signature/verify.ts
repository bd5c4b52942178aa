import { getHashes, hash } from 'node:crypto'
import { kernelHashNumber, kernelHashSize, opensslHash } from '../algorithms.ts'
import type { ImaEntry } from '../entry.ts'
import { type AppendedSignature, readAppendedSignature } from './cms.ts'
import { type FileSignature, readFileSignature } from './header.ts'
import type { ImaKey, ImaKeyring } from './keyring.ts'

/**
 * - `valid`: a trusted key signed the file that the entry is about
 * - `invalid`: the trusted key that the signature names did not sign it
 * - `unknown-key`: no trusted key has the name that the signature gives
 * - `missing`: the entry has no signature
 * - `unverifiable`: the entry does not hold what it takes, or the format is another
 */
export type SignatureOutcome = 'valid' | 'invalid' | 'unknown-key' | 'missing' | 'unverifiable'

export interface SignatureCheck {
  readonly outcome: SignatureOutcome
  /** What kind of signature the outcome is about. */
  readonly kind: 'ima' | 'verity' | 'evm-portable' | 'appended' | null
  /** As the signature names its key; nobody has to tell the truth here. */
  readonly keyId: string | null
  /** The key that signed, when valid. */
  readonly key: ImaKey | null
  readonly detail: string
}

/**
 * Checks the signatures that an entry holds over the digest that it states. An entry is signed when one of them is valid. Whether the entry
 * is genuine is not for this to say: that is the quote's.
 */
export function verifyEntrySignature(entry: ImaEntry, keyring: ImaKeyring): SignatureCheck {
  const { sig, evmsig, modsig } = entry.fields
  const none: SignatureCheck = {
    outcome: 'missing',
    kind: null,
    keyId: null,
    key: null,
    detail: 'no signature',
  }
  // A violation is bound by nothing: what stands beside it may be anything.
  if (entry.violation)
    return sig || evmsig || modsig ? { ...none, outcome: 'unverifiable', detail: 'a violation' } : none
  const checks = [
    ...(sig === undefined ? [] : [checkFileSignature(entry, sig, keyring)]),
    ...(modsig === undefined ? [] : [checkAppended(entry, modsig, keyring)]),
    ...(evmsig === undefined ? [] : [checkFileSignature(entry, evmsig, keyring)]),
  ]
  return checks.find(({ outcome }) => outcome === 'valid') ?? checks[0] ?? none
}

function checkFileSignature(entry: ImaEntry, bytes: Buffer, keyring: ImaKeyring): SignatureCheck {
  const signature = readFileSignature(bytes)
  if (typeof signature === 'string')
    return { outcome: 'unverifiable', kind: null, keyId: null, key: null, detail: signature }
  const { type, keyId } = signature
  const about = { kind: type, keyId, key: null }
  const digest =
    type === 'evm-portable' ? metadataDigest(entry, signature, keyring) : fileDigest(entry, signature)
  const keys = keyring.withId(keyId)
  if (keys.length === 0) return { ...about, outcome: 'unknown-key', detail: `no trusted key is ${keyId}` }
  if (!digest.usable) return { ...about, outcome: digest.outcome, detail: digest.why }
  const signed = signedDigest(signature, digest.bytes)
  if (signed === null) return { ...about, outcome: 'unverifiable', detail: `no ${signature.hash} here` }
  const key = keys.find(({ verifier }) => verifier.verify(signed, signature.hash, signature.signature))
  return key === undefined
    ? { ...about, outcome: 'invalid', detail: `the key ${keyId} did not sign this` }
    : { ...about, outcome: 'valid', key, detail: `signed by ${key.name}` }
}

type Digest =
  | { readonly usable: true; readonly bytes: Buffer }
  | { readonly usable: false; readonly outcome: 'invalid' | 'unverifiable'; readonly why: string }
const unusable = (outcome: 'invalid' | 'unverifiable', why: string): Digest => ({
  usable: false,
  outcome,
  why,
})

/** The digest in the entry, if it is by the signature's hash and of what the signature is of. */
function fileDigest({ digest, digestType }: ImaEntry, { type, hash: algorithm }: FileSignature): Digest {
  const [name = '', hex = ''] = digest.split(':')
  // Before the digest's type was logged it was always of the content.
  if ((digestType ?? 'ima') !== type)
    return unusable('invalid', `a ${type} signature, and the digest is of ${digestType ?? 'ima'}`)
  if (kernelHashNumber(name) !== kernelHashNumber(algorithm))
    return unusable('invalid', `signed by ${algorithm}, and the digest is by ${name}`)
  return { usable: true, bytes: Buffer.from(hex, 'hex') }
}

/** What was signed of a digest (evm_hmac and ima_appraise.c, calc_file_id_hash; struct ima_file_id in ima.h). */
function signedDigest(
  { version, typeByte, hashNumber, hash: algorithm }: FileSignature,
  digest: Buffer,
): Buffer | null {
  return version === 2 ? digest : digestBy(algorithm, Buffer.of(typeByte, hashNumber), digest)
}

function digestBy(algorithm: string, ...parts: Uint8Array[]): Buffer | null {
  const name = opensslHash(algorithm)
  return available(name) ? hash(name, Buffer.concat(parts), 'buffer') : null
}

let hashes: ReadonlySet<string> | null = null
function available(name: string): boolean {
  hashes ??= new Set(getHashes().map(known => known.toLowerCase()))
  return hashes.has(name)
}

/** struct h_misc without inode and generation, on a 64-bit host (security/integrity/evm/evm_crypto.c, hmac_add_misc). */
const METADATA_BYTES = 24

/**
 * The digest of an EVM portable signature: over the protected attributes in their order, and the owner and the mode
 * (evm_calc_hmac_or_hash). It says something of the content only through the attribute `security.ima`, which has to agree with the entry.
 */
function metadataDigest(entry: ImaEntry, signature: FileSignature, keyring: ImaKeyring): Digest {
  const { xattrnames, xattrlengths = [], xattrvalues = Buffer.alloc(0), iuid, igid, imode } = entry.fields
  if (xattrnames === undefined || iuid === undefined || igid === undefined || imode === undefined)
    return unusable('unverifiable', 'the entry does not hold the metadata that was signed')
  const names = xattrnames.split('|')
  const total = xattrlengths.reduce((sum, length) => sum + length, 0)
  if (names.length !== xattrlengths.length || total !== xattrvalues.length)
    return unusable('invalid', 'the attributes do not have the lengths that the entry states')
  const place = names.indexOf('security.ima')
  if (place < 0) return unusable('invalid', 'security.ima is not among what was signed')
  const start = xattrlengths.slice(0, place).reduce((sum, length) => sum + length, 0)
  const attribute = xattrvalues.subarray(start, start + (xattrlengths[place] ?? 0))
  if (!agreesWithAttribute(entry, attribute, keyring))
    return unusable('invalid', 'security.ima is of another content than the entry')
  const metadata = Buffer.alloc(METADATA_BYTES)
  metadata.writeUInt32LE(iuid, 12)
  metadata.writeUInt32LE(igid, 16)
  metadata.writeUInt16LE(imode, 20)
  const bytes = digestBy(signature.hash, xattrvalues, metadata)
  return bytes === null ? unusable('unverifiable', `no ${signature.hash} here`) : { usable: true, bytes }
}

/** `security.ima`: a digest (type 1: SHA-1 or MD5; type 4: the hash's number and the digest), or a signature that is valid itself. */
function agreesWithAttribute(entry: ImaEntry, attribute: Buffer, keyring: ImaKeyring): boolean {
  const [name = '', hex = ''] = entry.digest.split(':')
  const [type, hashNumber] = attribute
  if (type === 0x01) return name === 'sha1' && attribute.toString('hex', 1) === hex
  if (type === 0x04) return kernelHashNumber(name) === hashNumber && attribute.toString('hex', 2) === hex
  return (type === 0x03 || type === 0x06) && checkFileSignature(entry, attribute, keyring).outcome === 'valid'
}

function checkAppended(entry: ImaEntry, bytes: Buffer, keyring: ImaKeyring): SignatureCheck {
  const about = { kind: 'appended', keyId: null, key: null } as const
  const signature = readAppendedSignature(bytes)
  if (signature === null)
    return { ...about, outcome: 'unverifiable', detail: 'an appended signature of another form' }
  const keys = keyring.keys.filter(key => isSigner(key, signature))
  if (keys.length === 0)
    return { ...about, outcome: 'unknown-key', detail: 'no trusted certificate is the signer’s' }
  const [name = '', hex = ''] = entry.fields['d-modsig']?.split(':') ?? []
  const digest = Buffer.from(hex, 'hex')
  if (name !== signature.hash || digest.length !== kernelHashSize(name))
    return {
      ...about,
      outcome: 'unverifiable',
      detail: `signed by ${signature.hash}, and the digest is by ${name || 'none'}`,
    }
  const signed = signature.signedDigest(digest)
  const key =
    signed && keys.find(({ verifier }) => verifier.verify(signed, signature.hash, signature.signature))
  return key
    ? { ...about, outcome: 'valid', key, detail: `signed by ${key.name}` }
    : { ...about, outcome: 'invalid', detail: 'the certificate that it names did not sign this' }
}

function isSigner({ certificate }: ImaKey, { signer }: AppendedSignature): boolean {
  if (certificate === null) return false
  if ('subjectKeyIdentifier' in signer)
    return certificate.subjectKeyIdentifier === signer.subjectKeyIdentifier
  return certificate.issuer.equals(signer.issuer) && certificate.serial === signer.serial
}
