import { createPublicKey, hash, type KeyObject, X509Certificate } from 'node:crypto'
import { WritError } from '../../../encoding/error.ts'
import * as x509 from '../../identity/x509.ts'
import { derSequence } from './der.ts'
import { type DigestVerifier, digestVerifier, publicKeyBits } from './digest-signature.ts'

/** Bytes that are no certificate and no public key, or a key of a kind that signs no files. */
export class ImaKeyringError extends WritError<'IMA_KEY_MALFORMED'> {}

/** A key that is trusted to sign files. */
export interface ImaKey {
  /** For people: the certificate's subject, or where the key is from. */
  readonly name: string
  /** SHA-256 of the SubjectPublicKeyInfo, lower-case hexadecimal. */
  readonly spkiSha256: string
  readonly verifier: DigestVerifier
  /** What signatures name it by: eight hexadecimal digits each. */
  readonly keyIds: ReadonlySet<string>
  /** How PKCS #7 names it; null for a bare key. */
  readonly certificate: CertificateNames | null
}

interface CertificateNames {
  /** DER of the issuer's name, and the number under which it issued the certificate. */
  readonly issuer: Buffer
  readonly serial: string
  readonly subjectKeyIdentifier: string | null
}

/** Most bytes of one certificate or key. */
const MAX_KEY_BYTES = 64 << 10
const PEM = /-----BEGIN ([A-Z0-9 ]+)-----[A-Za-z0-9+/=\s]*-----END \1-----/g

/**
 * Keys that are trusted to sign files, like the kernel's `.ima` keyring. Nothing is asked of a certificate but its key: like the kernel, which
 * has checked its chain when it was loaded, this does not look at dates.
 */
export class ImaKeyring {
  readonly keys: readonly ImaKey[]
  readonly #byId = new Map<string, ImaKey[]>()

  constructor(keys: readonly ImaKey[] = []) {
    this.keys = keys
    for (const key of keys)
      for (const id of key.keyIds) this.#byId.set(id, [...(this.#byId.get(id) ?? []), key])
  }

  /** The keys that a signature may mean: four bytes can be those of several. */
  withId(keyId: string): readonly ImaKey[] {
    return this.#byId.get(keyId) ?? []
  }
}

/**
 * Reads certificates (X.509) and public keys, DER or PEM, of which one file may hold several.
 *
 * @param name of the file, for people
 * @throws ImaKeyringError
 */
export function readImaKeys(bytes: Uint8Array, name: string): ImaKey[] {
  if (bytes.length > MAX_KEY_BYTES) throw malformed(name, `has more than ${MAX_KEY_BYTES} bytes`)
  const buffer = Buffer.from(bytes)
  const blocks = buffer.toString('latin1').match(PEM)
  if (blocks === null) return [readKey(buffer, name)]
  return blocks.map(block => readKey(block, name))
}

function malformed(name: string, why: string, cause?: unknown): ImaKeyringError {
  return new ImaKeyringError('IMA_KEY_MALFORMED', `${name} ${why}`, { at: name, cause })
}

function readKey(source: Buffer | string, name: string): ImaKey {
  const certificate = readCertificate(source)
  const key = certificate?.publicKey ?? readPublicKey(source, name)
  const bits = publicKeyBits(key)
  const verifier = digestVerifier(key)
  if (bits === null || verifier === null) throw malformed(name, 'is of a kind of key that signs no files')
  const names = certificate && namesOf(certificate)
  const spki = key.export({ type: 'spki', format: 'der' })
  return {
    name: certificate === null ? name : certificate.subject.replaceAll('\n', ', ') || name,
    spkiSha256: hash('sha256', spki),
    verifier,
    keyIds: new Set(
      [hash('sha1', bits), names?.subjectKeyIdentifier].flatMap(id => (id ? [id.slice(-8)] : [])),
    ),
    certificate: names,
  }
}

function readCertificate(source: Buffer | string): X509Certificate | null {
  try {
    return new X509Certificate(source)
  } catch {
    return null
  }
}

function readPublicKey(source: Buffer | string, name: string): KeyObject {
  try {
    return createPublicKey(typeof source === 'string' ? source : { key: source, format: 'der', type: 'spki' })
  } catch (cause) {
    throw malformed(name, 'is neither a certificate nor a public key', cause)
  }
}

function namesOf(certificate: X509Certificate): CertificateNames {
  const parsed = new x509.X509Certificate(certificate.raw)
  return {
    issuer: Buffer.from(parsed.issuerName.toArrayBuffer()),
    serial: certificate.serialNumber.toLowerCase().replace(/^0+(?=.)/, ''),
    subjectKeyIdentifier: parsed.getExtension(x509.SubjectKeyIdentifierExtension)?.keyId ?? null,
  }
}

/** Whether bytes look like a certificate, as `ima-buf` has those that were put on a keyring. */
export function measuredCertificate(bytes: Buffer): { subject: string; keyIds: readonly string[] } | null {
  if (derSequence(bytes) === null) return null
  const certificate = readCertificate(bytes)
  if (certificate === null) return null
  try {
    const [key] = readImaKeys(bytes, 'certificate')
    return { subject: certificate.subject.replaceAll('\n', ', '), keyIds: [...(key?.keyIds ?? [])] }
  } catch (error) {
    if (error instanceof WritError) return { subject: certificate.subject.replaceAll('\n', ', '), keyIds: [] }
    throw error
  }
}
