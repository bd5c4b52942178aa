import {
  DER_TAG,
  type DerElement,
  derElement,
  derElements,
  derOid,
  derSequence,
  derUnsigned,
} from '../../encoding/der.ts'
import { EncodingError } from '../../encoding/error.ts'
import { readSignatureAlgorithm, type SignatureAlgorithm } from './signature-algorithm.ts'

/** The parts of a Certificate as they stand (RFC 5280 section 4.1). Views, not copies. */
export interface CertificateFields {
  /** 1 to 3. */
  readonly version: number
  /** Hexadecimal, as it stands. */
  readonly serial: string
  readonly issuer: Buffer
  readonly subject: Buffer
  readonly notBefore: Date
  readonly notAfter: Date
  readonly spki: Buffer
  /** How the issuer signed; null for an algorithm that is weak or unknown. */
  readonly signatureAlgorithm: SignatureAlgorithm | null
  /** By object identifier. */
  readonly extensions: ReadonlyMap<string, Extension>
}

export interface Extension {
  readonly critical: boolean
  /** What the OCTET STRING holds. */
  readonly value: Buffer
}

const UTC_TIME = /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)?(Z|[+-]\d{4})$/
const GENERALIZED_TIME = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)?(Z|[+-]\d{4})$/
/** Context tags of TBSCertificate. */
const TAG = { version: 0xa0, extensions: 0xa3 } as const
/** Whose values are read nowhere: they have to be DER of the right kind all the same (RFC 5280 sections 4.2.1, 4.2.2). */
const SHAPES: Readonly<Record<string, number>> = {
  '2.5.29.14': DER_TAG.octetString,
  '2.5.29.18': DER_TAG.sequence,
  '2.5.29.31': DER_TAG.sequence,
  '2.5.29.32': DER_TAG.sequence,
  '2.5.29.35': DER_TAG.sequence,
  '1.3.6.1.5.5.7.1.1': DER_TAG.sequence,
}

/** Takes a certificate apart. @throws EncodingError `BAD_DER` */
export function readCertificateFields(der: Buffer): CertificateFields {
  const [tbs, algorithm] = derSequence(der)
  const fields = derElements(derElement(tbs?.bytes ?? Buffer.alloc(0), DER_TAG.sequence).content)
  const version = fields[0]?.tag === TAG.version ? fields.shift() : undefined
  const [serial, , issuer, validity, subject, spki, ...rest] = fields
  if (!algorithm || serial?.tag !== DER_TAG.integer || !issuer || !validity || !subject || !spki) {
    throw malformed('a part of the certificate is missing')
  }
  const [notBefore, notAfter] = derSequence(validity.bytes)
  const extensions = rest.find(({ tag }) => tag === TAG.extensions)
  return {
    version: version === undefined ? 1 : derElement(version.content, DER_TAG.integer).content.readUInt8() + 1,
    serial: serial.content.toString('hex'),
    issuer: issuer.bytes,
    subject: subject.bytes,
    notBefore: readTime(notBefore),
    notAfter: readTime(notAfter),
    spki: spki.bytes,
    signatureAlgorithm: readSignatureAlgorithm(algorithm),
    extensions: extensions === undefined ? new Map() : readExtensions(extensions.content),
  }
}

function malformed(what: string): EncodingError {
  return new EncodingError('BAD_DER', `not DER: ${what}`)
}

/**
 * UTCTime or GeneralizedTime (RFC 5280 section 4.1.2.5). Seconds may be missing and the zone another than Z, as X.680 allows and older issuers
 * write; a day that no calendar has is refused.
 */
function readTime(element: DerElement | undefined): Date {
  const form = element?.tag === DER_TAG.utcTime ? UTC_TIME : GENERALIZED_TIME
  const match = isTime(element) ? form.exec(element.content.toString('latin1')) : null
  if (match === null) throw malformed('a time')
  const [, year = '', month = '', day = '', hour, minute, second = '00', zone = 'Z'] = match
  const full = year.length === 2 ? `${Number(year) < 50 ? '20' : '19'}${year}` : year
  const offset = zone === 'Z' ? zone : `${zone.slice(0, 3)}:${zone.slice(3)}`
  const date = new Date(`${full}-${month}-${day}T${hour}:${minute}:${second}${offset}`)
  const days = new Date(Date.UTC(Number(full), Number(month), 0)).getUTCDate()
  if (Number.isNaN(date.getTime()) || Number(day) > days) throw malformed('a time')
  return date
}

function isTime(element: DerElement | undefined): element is DerElement {
  return element?.tag === DER_TAG.utcTime || element?.tag === DER_TAG.generalizedTime
}

/** RFC 5280 section 4.2: not more than one instance of an extension. */
function readExtensions(der: Buffer): Map<string, Extension> {
  const extensions = new Map<string, Extension>()
  for (const element of derSequence(der)) {
    const parts = derSequence(element.bytes)
    const oid = derOid(parts.shift())
    const critical = parts[0]?.tag === DER_TAG.boolean && readBoolean(parts.shift())
    const [value, ...more] = parts
    if (value?.tag !== DER_TAG.octetString || more.length > 0) throw malformed('an extension')
    if (extensions.has(oid)) throw malformed(`the extension ${oid} a second time`)
    const shape = SHAPES[oid]
    if (shape !== undefined) derElement(value.content, shape)
    extensions.set(oid, { critical, value: value.content })
  }
  return extensions
}

/** OpenSSL takes any value but zero for true, and both have to mean the same. */
function readBoolean(element: DerElement | undefined): boolean {
  if (element?.content.length !== 1) throw malformed('a BOOLEAN')
  return element.content[0] !== 0
}

/** RFC 5280 section 4.2.1.9. @throws EncodingError `BAD_DER` */
export function readBasicConstraints(der: Buffer): { ca: boolean; pathLength: number | null } {
  const parts = derSequence(der)
  const ca = parts[0]?.tag === DER_TAG.boolean && readBoolean(parts.shift())
  const [pathLength, ...more] = parts
  if (more.length > 0) throw malformed('basic constraints')
  return { ca, pathLength: pathLength === undefined ? null : smallNumber(pathLength) }
}

function smallNumber(element: DerElement): number {
  const bytes = derUnsigned(element)
  if (bytes.length > 4) throw malformed('a path length of more than 32 bits')
  return bytes.readUIntBE(0, bytes.length)
}

/** Bit n of the BIT STRING (RFC 5280 section 4.2.1.3) as `1 << n`. @throws EncodingError `BAD_DER` */
export function readKeyUsage(der: Buffer): number {
  const [unused = 8, ...octets] = derElement(der, DER_TAG.bitString).content
  if (unused > 7 || octets.length > 2 || (unused > 0 && octets.length === 0)) throw malformed('a key usage')
  let usage = 0
  for (let bit = 0; bit < 8 * octets.length - unused; bit++) {
    if (((octets[bit >> 3] ?? 0) << (bit & 7)) & 0x80) usage |= 1 << bit
  }
  return usage
}

/** Object identifiers of purposes (RFC 5280 section 4.2.1.12). @throws EncodingError `BAD_DER` */
export function readExtendedKeyUsage(der: Buffer): string[] {
  return derSequence(der).map(derOid)
}
