import { createHash, X509Certificate } from 'node:crypto'

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

/** Describes DER bytes as a certificate. Never throws: a certificate that nothing can read still has a fingerprint. */
export function describeCertificate(der: Buffer): LoggedCertificate {
  const sha256 = createHash('sha256').update(der).digest('hex')
  const unreadable = {
    sha256,
    der,
    subject: null,
    issuer: null,
    serial: null,
    notBefore: null,
    notAfter: null,
  }
  // OpenSSL would also take PEM, and bytes after the certificate.
  if (derLength(der) !== der.length) return unreadable
  try {
    const certificate = new X509Certificate(der)
    return {
      sha256,
      der,
      subject: oneLine(certificate.subject),
      issuer: oneLine(certificate.issuer),
      serial: certificate.serialNumber.toLowerCase(),
      notBefore: timeText(certificate.validFromDate),
      notAfter: timeText(certificate.validToDate),
    }
  } catch {
    return unreadable
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
