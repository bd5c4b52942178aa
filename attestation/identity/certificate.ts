import { type KeyObject, X509Certificate as NodeCertificate } from 'node:crypto'
import { sha256Hex } from '../../encoding/digest.ts'
import {
  type Extension,
  readBasicConstraints,
  readCertificateFields,
  readExtendedKeyUsage,
  readKeyUsage,
} from './certificate-fields.ts'
import { type DistinguishedName, nameKey, readName } from './distinguished-name.ts'
import { IdentityError } from './error.ts'
import {
  type GeneralName,
  type NameConstraints,
  readGeneralNames,
  readNameConstraints,
} from './name-constraints.ts'
import type { SignatureAlgorithm } from './signature-algorithm.ts'
import { readSpki } from './spki.ts'

/** Object identifiers of the extensions that are read here (RFC 5280 section 4.2.1). */
export const OID = {
  subjectDirectoryAttributes: '2.5.29.9',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  nameConstraints: '2.5.29.30',
  certificatePolicies: '2.5.29.32',
  policyMappings: '2.5.29.33',
  extendedKeyUsage: '2.5.29.37',
  anyExtendedKeyUsage: '2.5.29.37.0',
  inhibitAnyPolicy: '2.5.29.54',
} as const

/** Key usage bits: bit n of RFC 5280 section 4.2.1.3 is `1 << n`. */
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
  /** 1 to 3. */
  readonly version: number
  /** Hexadecimal, as it stands. */
  readonly serial: string
  readonly subject: DistinguishedName
  readonly issuer: DistinguishedName
  /** `nameKey` of both, by which names chain. */
  readonly subjectKey: string
  readonly issuerKey: string
  readonly notBefore: Date
  readonly notAfter: Date
  readonly publicKey: KeyObject
  /** How the issuer signed; null for an algorithm that is weak or unknown. */
  readonly signatureAlgorithm: SignatureAlgorithm | null
  readonly critical: ReadonlySet<string>
  readonly basicConstraints: { readonly ca: boolean; readonly pathLength: number | null } | null
  /** Bits of {@link KEY_USAGE}; null when the extension is absent. */
  readonly keyUsage: number | null
  readonly extendedKeyUsage: readonly string[] | null
  /** Subject alternative names. */
  readonly alternatives: readonly GeneralName[]
  /** Null when there are none; `unknown` when they are in a form that is not read. */
  readonly nameConstraints: NameConstraints | 'unknown' | null
  /** Value of subjectDirectoryAttributes. */
  readonly directoryAttributes: Buffer | null
  readonly node: NodeCertificate
}

/** By their bytes: whoever verifies many reports holds the same roots for all of them. */
const parsedBefore = new WeakMap<Uint8Array, Certificate>()

/**
 * Parses one DER certificate (RFC 5280). Nothing is verified yet.
 *
 * @param der controlled by whoever brings it; exactly one certificate, no byte more
 * @throws IdentityError `CERTIFICATE_MALFORMED`
 */
export function parseCertificate(der: Uint8Array, what = 'certificate'): Certificate {
  const known = parsedBefore.get(der)
  if (known?.der.equals(der)) return known
  const bytes = Buffer.from(der)
  if (derLength(bytes) !== bytes.length) throw malformed(what, 'is not exactly one DER certificate')
  try {
    const certificate = read(bytes, what)
    parsedBefore.set(der, certificate)
    return certificate
  } catch (cause) {
    if (cause instanceof IdentityError) throw cause
    throw malformed(what, 'cannot be parsed', cause)
  }
}

function malformed(what: string, why: string, cause?: unknown): IdentityError {
  return new IdentityError('CERTIFICATE_MALFORMED', `${what} ${why}`, { at: what, cause })
}

function read(der: Buffer, what: string): Certificate {
  const node = new NodeCertificate(der)
  // The signature is checked by OpenSSL and the fields are read here: both have to mean the same bytes.
  if (!node.raw.equals(der)) throw malformed(what, 'is not in its canonical form')
  const fields = readCertificateFields(der)
  const { version, serial, signatureAlgorithm, extensions } = fields
  const subject = readName(fields.subject)
  const issuer = readName(fields.issuer)
  const value = <T>(oid: string, readValue: (value: Buffer) => T): T | null => {
    const extension = extensions.get(oid)
    return extension === undefined ? null : readValue(extension.value)
  }
  return {
    der,
    sha256: sha256Hex(der),
    version,
    serial,
    signatureAlgorithm,
    subject,
    issuer,
    subjectKey: nameKey(subject),
    issuerKey: nameKey(issuer),
    notBefore: fields.notBefore,
    notAfter: fields.notAfter,
    publicKey: readSpki(fields.spki),
    critical: criticalOf(extensions),
    basicConstraints: value(OID.basicConstraints, readBasicConstraints),
    keyUsage: value(OID.keyUsage, readKeyUsage),
    extendedKeyUsage: value(OID.extendedKeyUsage, readExtendedKeyUsage),
    alternatives: value(OID.subjectAltName, readGeneralNames) ?? [],
    nameConstraints: value(OID.nameConstraints, bytes => readNameConstraints(bytes) ?? 'unknown'),
    directoryAttributes: value(OID.subjectDirectoryAttributes, bytes => bytes),
    node,
  }
}

function criticalOf(extensions: ReadonlyMap<string, Extension>): ReadonlySet<string> {
  return new Set(Array.from(extensions).flatMap(([oid, { critical }]) => (critical ? [oid] : [])))
}

/** Whole length that the first DER element of `bytes` declares; 0 when it is not a sequence of sensible length. */
function derLength(bytes: Buffer): number {
  if (bytes.length < 4 || bytes.length > MAX_CERTIFICATE_BYTES || bytes[0] !== 0x30) return 0
  // X.690 section 10.1: no certificate has less than 128 bytes, so its length takes one byte more or, from 256 on, two.
  if (bytes[1] === 0x81 && bytes.readUInt8(2) >= 0x80) return 3 + bytes.readUInt8(2)
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

/** The certificates of a file as bytes, each of which may still be anything. */
export function splitCertificateFile(content: Uint8Array): Buffer[] {
  const bytes = Buffer.from(content.buffer, content.byteOffset, content.byteLength)
  if (bytes[0] !== 0x30) return pemBlocks(bytes)
  const parts: Buffer[] = []
  let at = 0
  for (let length = derLength(bytes.subarray(at, at + 4)); length > 0 && at + length <= bytes.length; ) {
    parts.push(bytes.subarray(at, at + length))
    at += length
    length = derLength(bytes.subarray(at, at + 4))
  }
  const rest = bytes.subarray(at)
  // Padding of an NV index belongs to nothing; anything else is for the parser to refuse.
  const isPadding = rest.every(b => b === rest[0] && (b === 0xff || b === 0))
  return isPadding && parts.length > 0
    ? parts
    : [...parts.slice(0, -1), bytes.subarray(at - (parts.at(-1)?.length ?? 0))]
}

function pemBlocks(bytes: Buffer): Buffer[] {
  const text = bytes.toString('latin1')
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]*-----END CERTIFICATE-----/g) ?? []
  return blocks.map(block => Buffer.from(block.replace(/-----[A-Z ]+-----/g, ''), 'base64'))
}

/**
 * The certificates of a file: any number in DER, one behind the other and with an NV index's padding behind the last, or in PEM.
 *
 * @throws IdentityError `CERTIFICATE_MALFORMED`, also when there is none
 */
export function readCertificateFile(content: Uint8Array, what = 'certificate file'): Buffer[] {
  const blocks = splitCertificateFile(content)
  if (blocks.length === 0) throw malformed(what, 'holds no certificate')
  return blocks.map((der, i) => parseCertificate(der, blocks.length === 1 ? what : `${what}[${i}]`).der)
}
