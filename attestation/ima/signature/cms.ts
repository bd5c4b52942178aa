import { hash } from 'node:crypto'
import { DER, type DerElement, derElements, derSequence } from './der.ts'

/** The one signer of a detached PKCS #7 signature (RFC 5652 section 5), as scripts/sign-file and evmctl append it to a file. */
export interface AppendedSignature {
  /** The kernel's name of the hash. */
  readonly hash: string
  readonly signature: Buffer
  /** How the signer's certificate is named. */
  readonly signer:
    | { readonly issuer: Buffer; readonly serial: string }
    | { readonly subjectKeyIdentifier: string }
  /**
   * What is signed, given the digest of the content: the digest itself, or that of the signed attributes if they hold it; null if they
   * hold another.
   */
  signedDigest(contentDigest: Buffer): Buffer | null
}

const OID_SIGNED_DATA = '2a864886f70d010702'
const OID_MESSAGE_DIGEST = '2a864886f70d010904'
/** Digest algorithms by the content of their object identifier. */
const OID_HASH: Readonly<Record<string, string>> = {
  '2b0e03021a': 'sha1',
  '608648016503040201': 'sha256',
  '608648016503040202': 'sha384',
  '608648016503040203': 'sha512',
  '608648016503040204': 'sha224',
  '608648016503040208': 'sha3-256',
  '608648016503040209': 'sha3-384',
  '60864801650304020a': 'sha3-512',
}
/** Context-specific, constructed and primitive, number 0. */
const CONTEXT_0 = 0xa0
const CONTEXT_0_PRIMITIVE = 0x80

/**
 * Reads a PKCS #7 signature with one signer, or gives null.
 *
 * @param bytes controlled by the host
 */
export function readAppendedSignature(bytes: Buffer): AppendedSignature | null {
  const [type, wrapped] = derSequence(bytes) ?? []
  if (type?.content.toString('hex') !== OID_SIGNED_DATA || wrapped?.tag !== CONTEXT_0) return null
  const signers = derSequence(wrapped.content)?.at(-1)
  if (signers?.tag !== DER.set) return null
  const [signer, ...more] = derElements(signers.content) ?? []
  if (signer?.tag !== DER.sequence || more.length > 0) return null
  return readSigner(derElements(signer.content) ?? [])
}

/** SignerInfo: version, identifier, digest algorithm, [0] attributes, signature algorithm, signature. */
function readSigner(elements: readonly DerElement[]): AppendedSignature | null {
  const [, identifier, digestAlgorithm, ...rest] = elements
  const attributes = rest[0]?.tag === CONTEXT_0 ? rest.shift() : undefined
  const [, signature] = rest
  const oid = (digestAlgorithm && derElements(digestAlgorithm.content))?.[0]?.content.toString('hex') ?? ''
  const algorithm = Object.hasOwn(OID_HASH, oid) ? OID_HASH[oid] : undefined
  const signer = identifier && readIdentifier(identifier)
  if (algorithm === undefined || !signer || signature?.tag !== DER.octetString) return null
  return {
    hash: algorithm,
    signature: signature.content,
    signer,
    signedDigest: digest =>
      attributes === undefined ? digest : attributesDigest(attributes, digest, algorithm),
  }
}

function readIdentifier({ tag, content }: DerElement): AppendedSignature['signer'] | null {
  if (tag === CONTEXT_0_PRIMITIVE) return { subjectKeyIdentifier: content.toString('hex') }
  const [issuer, serial] = derElements(content) ?? []
  if (tag !== DER.sequence || issuer === undefined || serial?.tag !== DER.integer) return null
  return { issuer: issuer.whole, serial: serial.content.toString('hex').replace(/^0+(?=.)/, '') }
}

/** RFC 5652 section 5.4: the attributes are signed as a SET, and one of them is the digest of the content. */
function attributesDigest(attributes: DerElement, digest: Buffer, algorithm: string): Buffer | null {
  const holds = (derElements(attributes.content) ?? []).some(attribute => {
    const [type, values] = derElements(attribute.content) ?? []
    if (type?.content.toString('hex') !== OID_MESSAGE_DIGEST || values === undefined) return false
    const [value, ...more] = derElements(values.content) ?? []
    return more.length === 0 && value?.tag === DER.octetString && value.content.equals(digest)
  })
  if (!holds) return null
  const set = Buffer.from(attributes.whole)
  set[0] = DER.set
  return hash(algorithm, set, 'buffer')
}
