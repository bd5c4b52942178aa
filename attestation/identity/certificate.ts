import { type KeyObject, X509Certificate as NodeCertificate } from 'node:crypto'
import { sha256Hex } from '../../encoding/digest.ts'
import { IdentityError } from './error.ts'
import * as x509 from './x509.ts'

/** Object identifiers of the extensions that are read here (RFC 5280 section 4.2.1). */
export const OID = {
  subjectDirectoryAttributes: '2.5.29.9',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  certificatePolicies: '2.5.29.32',
  extendedKeyUsage: '2.5.29.37',
  anyExtendedKeyUsage: '2.5.29.37.0',
} as const

/** Key usage bits in the form of @peculiar/x509: bit n of RFC 5280 section 4.2.1.3 is `1 << n`. */
export const KEY_USAGE = {
  digitalSignature: 1,
  keyEncipherment: 4,
  keyAgreement: 16,
  keyCertSign: 32,
} as const

/** Most bytes of one certificate; EK certificates have 1 to 2 kB. */
export const MAX_CERTIFICATE_BYTES = 16 * 1024

/** A parsed certificate. Every field is the issuer's claim until a chain has been verified. */
export interface Certificate {
  readonly der: Buffer
  /** Lower-case hexadecimal SHA-256 of `der`. */
  readonly sha256: string
  /** DER Name; compared byte by byte. */
  readonly subject: Buffer
  readonly issuer: Buffer
  readonly notBefore: Date
  readonly notAfter: Date
  readonly publicKey: KeyObject
  /** Hash of the issuer's signature, for example `SHA-256`; null when the scheme has none of its own (Ed25519). */
  readonly signatureHash: string | null
  readonly critical: ReadonlySet<string>
  readonly basicConstraints: { readonly ca: boolean; readonly pathLength: number | null } | null
  /** Bits of {@link KEY_USAGE}; null when the extension is absent. */
  readonly keyUsage: number | null
  readonly extendedKeyUsage: readonly string[] | null
  readonly subjectAltName: readonly { readonly type: string; readonly value: string }[] | null
  readonly node: NodeCertificate
}

/**
 * Parses one DER certificate (RFC 5280). Nothing is verified yet.
 *
 * @param der controlled by whoever brings it; exactly one certificate, no byte more
 * @throws IdentityError `CERTIFICATE_MALFORMED`
 */
export function parseCertificate(der: Uint8Array, what = 'certificate'): Certificate {
  const bytes = Buffer.from(der)
  if (derLength(bytes) !== bytes.length) throw malformed(what, 'is not exactly one DER certificate')
  try {
    return read(bytes, what)
  } catch (cause) {
    if (cause instanceof IdentityError) throw cause
    throw malformed(what, 'cannot be parsed', cause)
  }
}

function malformed(what: string, why: string, cause?: unknown): IdentityError {
  return new IdentityError('CERTIFICATE_MALFORMED', `${what} ${why}`, { at: what, cause })
}

function read(der: Buffer, what: string): Certificate {
  const parsed = new x509.X509Certificate(der)
  const node = new NodeCertificate(der)
  // The signature is checked by OpenSSL and the fields are read by @peculiar/x509: both have to mean the same bytes.
  if (!node.raw.equals(der)) throw malformed(what, 'is not in its canonical form')
  const types = parsed.extensions.map(e => e.type)
  // RFC 5280 section 4.2: not more than one instance of an extension.
  if (new Set(types).size !== types.length) throw malformed(what, 'repeats an extension')
  const basic = parsed.getExtension(x509.BasicConstraintsExtension)
  const algorithm = parsed.signatureAlgorithm as { hash?: { name?: string } }
  return {
    der,
    sha256: sha256Hex(der),
    subject: Buffer.from(parsed.subjectName.toArrayBuffer()),
    issuer: Buffer.from(parsed.issuerName.toArrayBuffer()),
    notBefore: parsed.notBefore,
    notAfter: parsed.notAfter,
    publicKey: node.publicKey,
    signatureHash: algorithm.hash?.name ?? null,
    critical: new Set(parsed.extensions.filter(e => e.critical).map(e => e.type)),
    basicConstraints: basic ? { ca: basic.ca, pathLength: basic.pathLength ?? null } : null,
    keyUsage: parsed.getExtension(x509.KeyUsagesExtension)?.usages ?? null,
    extendedKeyUsage: parsed.getExtension(x509.ExtendedKeyUsageExtension)?.usages.map(String) ?? null,
    subjectAltName:
      parsed
        .getExtension(x509.SubjectAlternativeNameExtension)
        ?.names.items.map(({ type, value }) => ({ type, value })) ?? null,
    node,
  }
}

/** Whole length that the first DER element of `bytes` declares; 0 when it is not a sequence of sensible length. */
function derLength(bytes: Buffer): number {
  if (bytes.length < 4 || bytes.length > MAX_CERTIFICATE_BYTES || bytes[0] !== 0x30) return 0
  // X.690 section 10.1: a certificate has 256 to 65,535 bytes of content, so the length takes exactly two.
  return bytes[1] === 0x82 && bytes[2] !== 0 ? 4 + bytes.readUInt16BE(2) : 0
}

/**
 * The certificate at the start of an NV index. TPM makers reserve a fixed size and leave 0xff or 0x00 behind the DER.
 *
 * @throws IdentityError `CERTIFICATE_MALFORMED` when what follows is anything else
 */
export function trimCertificatePadding(nvContent: Uint8Array): Buffer {
  const bytes = Buffer.from(nvContent)
  const length = derLength(bytes.subarray(0, MAX_CERTIFICATE_BYTES))
  const padding = bytes.subarray(length)
  if (
    length === 0 ||
    length > bytes.length ||
    !padding.every(b => b === padding[0] && (b === 0xff || b === 0))
  ) {
    throw malformed('NV certificate', 'is not DER followed by padding')
  }
  return bytes.subarray(0, length)
}

/**
 * The certificates of a file: one in DER, or any number in PEM.
 *
 * @throws IdentityError `CERTIFICATE_MALFORMED`, also when there is none
 */
export function readCertificateFile(content: Uint8Array, what = 'certificate file'): Buffer[] {
  if (content[0] === 0x30) return [parseCertificate(content, what).der]
  const text = Buffer.from(content).toString('latin1')
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]*-----END CERTIFICATE-----/g) ?? []
  if (blocks.length === 0) throw malformed(what, 'holds no certificate')
  return blocks.map((block, i) => {
    const der = Buffer.from(block.replace(/-----[A-Z ]+-----/g, ''), 'base64')
    return parseCertificate(der, `${what}[${i}]`).der
  })
}
