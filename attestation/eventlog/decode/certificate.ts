import { hash, X509Certificate } from 'node:crypto'

/** An X.509 certificate as a log holds it: nothing about it is verified. */
export interface LoggedCertificate {
  /** SHA-256 of the DER bytes, in hex: the fingerprint that other tools show. */
  readonly sha256: string
  readonly der: Buffer
  /** RFC 2253-like names, most specific last; null when the bytes are no certificate that OpenSSL reads. */
  readonly subject: string | null
  readonly issuer: string | null
  /** In hex. */
  readonly serial: string | null
  readonly notBefore: string | null
  readonly notAfter: string | null
}

type Description = Omit<LoggedCertificate, 'sha256' | 'der'>

const UNREADABLE: Description = { subject: null, issuer: null, serial: null, notBefore: null, notAfter: null }

/**
 * What the certificates seen last say, by fingerprint: reading one costs a hundred times what its digest costs, PK, KEK, db and the
 * authority are often the same, and a daemon reads the same log at every cycle. Only short texts are kept, never a part of a log.
 */
const described = new Map<string, Description>()
const MOST_DESCRIBED = 64
/** Longer certificates are read each time. */
const MAX_KEPT_BYTES = 8192

/** Describes DER bytes as a certificate. Never throws: a certificate that nothing can read still has a fingerprint. */
export function describeCertificate(der: Buffer): LoggedCertificate {
  const sha256 = hash('sha256', der)
  const known = described.get(sha256)
  if (known !== undefined) return { sha256, der, ...known }
  const description = read(der)
  if (der.length <= MAX_KEPT_BYTES) keep(sha256, description)
  return { sha256, der, ...description }
}

function keep(sha256: string, description: Description): void {
  const [oldest] = described.keys()
  if (described.size >= MOST_DESCRIBED && oldest !== undefined) described.delete(oldest)
  described.set(sha256, description)
}

function read(der: Buffer): Description {
  // OpenSSL would also take PEM, and bytes after the certificate.
  if (derLength(der) !== der.length) return UNREADABLE
  try {
    const certificate = new X509Certificate(der)
    return {
      subject: oneLine(certificate.subject),
      issuer: oneLine(certificate.issuer),
      serial: certificate.serialNumber.toLowerCase(),
      notBefore: timeText(certificate.validFromDate),
      notAfter: timeText(certificate.validToDate),
    }
  } catch {
    return UNREADABLE
  }
}

function timeText(time: Date): string | null {
  return Number.isNaN(time.getTime()) ? null : time.toISOString()
}

/** Node gives one attribute a line. */
function oneLine(name: string | undefined): string {
  return (name ?? '').split('\n').join(', ')
}

/** The length that a DER SEQUENCE says it has, header included; null when these bytes begin with none. */
export function derLength(bytes: Buffer): number | null {
  if (bytes.length < 2 || bytes[0] !== 0x30) return null
  const first = bytes.readUInt8(1)
  if (first < 0x80) return 2 + first
  const octets = first & 0x7f
  if (octets < 1 || octets > 4 || bytes.length < 2 + octets) return null
  return 2 + octets + bytes.readUIntBE(2, octets)
}

/** The to-be-signed part of a certificate, which is what EFI_CERT_X509_SHA256 and its kin are the digest of; null for what is none. */
export function toBeSigned(der: Buffer): Buffer | null {
  if (derLength(der) !== der.length || der.length < 2) return null
  const first = der.readUInt8(1)
  const body = der.subarray(first < 0x80 ? 2 : 2 + (first & 0x7f))
  const length = derLength(body)
  return length === null || length > body.length ? null : body.subarray(0, length)
}
