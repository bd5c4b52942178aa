import { constants, createHash, type KeyObject, verify } from 'node:crypto'
import { DER_TAG, type DerElement, derElement, derElements, derOid, derSequence } from '../../encoding/der.ts'
import { EncodingError } from '../../encoding/error.ts'
import { nameKey, readName } from './distinguished-name.ts'
import { IdentityError } from './error.ts'
import { readSignatureAlgorithm } from './signature-algorithm.ts'

/** Most bytes of one list: the largest of TPM makers have some hundred kilobytes. */
export const MAX_CRL_BYTES = 16 << 20

/** A certificate revocation list (RFC 5280 section 5), not verified yet. */
export interface RevocationList {
  readonly sha256: string
  /** The issuer's name in the spelling of `nameKey`. */
  readonly issuer: string
  readonly thisUpdate: Date
  readonly nextUpdate: Date | null
  /** Serial numbers in hexadecimal, as they stand. */
  readonly serials: ReadonlySet<string>
  /** Null when the list may leave certificates out: a delta, one of some reasons, of other issuers, or of what is not understood. */
  readonly scope: 'all' | 'users' | 'authorities' | null
  readonly isSignedBy: (key: KeyObject) => boolean
}

const OID = { crlNumber: '2.5.29.20', issuingDistributionPoint: '2.5.29.28', reason: '2.5.29.21' } as const
/** CRLReason removeFromCRL (section 5.3.1): in a delta, taken back. */
const REMOVE_FROM_CRL = 8

/** Reads a list: DER, or PEM as `X509 CRL`. @throws IdentityError `CRL_MALFORMED` */
export function parseCrl(bytes: Uint8Array, what = 'revocation list'): RevocationList {
  const [list, ...others] = parseCrls(bytes, what)
  if (list !== undefined && others.length === 0) return list
  throw new IdentityError('CRL_MALFORMED', `${what}: ${others.length + 1} lists where one is meant`, {
    at: what,
  })
}

/** Reads all lists of a file: one in DER, or any number in PEM, none of which is passed over. @throws IdentityError `CRL_MALFORMED` */
export function parseCrls(bytes: Uint8Array, what = 'revocation list'): RevocationList[] {
  try {
    if (bytes.length > MAX_CRL_BYTES) throw new EncodingError('TOO_LARGE', `${bytes.length} bytes`)
    return dersOf(bytes).map(read)
  } catch (cause) {
    if (!(cause instanceof EncodingError)) throw cause
    throw new IdentityError('CRL_MALFORMED', `${what}: ${cause.message}`, { at: what, cause })
  }
}

/** Whether a text says that it holds a list, readable or not (RFC 7468 section 6). */
export function holdsPemCrl(bytes: Uint8Array): boolean {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).includes('-----BEGIN X509 CRL-----')
}

function dersOf(bytes: Uint8Array): Buffer[] {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (view[0] === DER_TAG.sequence) return [view]
  const [, ...blocks] = view.toString('latin1').split('-----BEGIN X509 CRL-----')
  if (blocks.length === 0) throw notAList()
  return blocks.map(block => {
    const [, body] = /^([A-Za-z0-9+/=\s]+)-----END X509 CRL-----/.exec(block) ?? []
    if (body === undefined) throw new EncodingError('BAD_DER', 'a PEM block without its end, or not base64')
    return Buffer.from(body, 'base64')
  })
}

function read(der: Buffer): RevocationList {
  const [tbs, algorithm, signature] = derSequence(der)
  if (tbs === undefined || algorithm === undefined || signature?.tag !== DER_TAG.bitString) throw notAList()
  const fields = derElements(derElement(tbs.bytes, DER_TAG.sequence).content)
  if (fields[0]?.tag === DER_TAG.integer) fields.shift()
  const [inner, issuer, thisUpdate, ...rest] = fields
  if (inner === undefined || issuer === undefined || !inner.bytes.equals(algorithm.bytes)) throw notAList()
  const nextUpdate = isTime(rest[0]) ? rest.shift() : undefined
  const revoked =
    rest[0]?.tag === DER_TAG.sequence ? derElements(rest.shift()?.content ?? Buffer.alloc(0)) : []
  const extensions = rest[0]?.tag === 0xa0 ? derSequence(rest[0].content) : []
  return {
    sha256: createHash('sha256').update(der).digest('hex'),
    issuer: nameKey(readName(issuer.bytes)),
    thisUpdate: time(thisUpdate),
    nextUpdate: nextUpdate === undefined ? null : time(nextUpdate),
    serials: new Set(revoked.flatMap(revokedSerial)),
    scope: scopeOf(extensions),
    isSignedBy: key => isSigned(tbs.bytes, algorithm, signature.content.subarray(1), key),
  }
}

function notAList(): EncodingError {
  return new EncodingError('BAD_DER', 'not a CertificateList')
}

function isTime(element: DerElement | undefined): boolean {
  return element?.tag === DER_TAG.utcTime || element?.tag === DER_TAG.generalizedTime
}

/** Section 4.1.2.5: in UTC, with seconds; a UTCTime's year is that of 1950 to 2049. */
function time(element: DerElement | undefined): Date {
  const text = isTime(element) ? (element?.content.toString('latin1') ?? '') : ''
  const [, year = '', month, day, hour, minute, second] =
    /^(\d{2}|\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(text) ?? []
  const full = year.length === 2 ? `${Number(year) < 50 ? '20' : '19'}${year}` : year
  const date = new Date(`${full}-${month}-${day}T${hour}:${minute}:${second}Z`)
  if (Number.isNaN(date.getTime())) throw new EncodingError('BAD_DER', 'not a time')
  return date
}

function revokedSerial(entry: DerElement): string[] {
  const [serial, , extensions] = derSequence(entry.bytes)
  if (serial?.tag !== DER_TAG.integer) throw notAList()
  const reasons =
    extensions === undefined ? [] : derSequence(extensions.bytes).filter(e => extension(e).oid === OID.reason)
  const isTakenBack = reasons.some(e =>
    derElement(extension(e).value, 0x0a).content.equals(Buffer.of(REMOVE_FROM_CRL)),
  )
  return isTakenBack ? [] : [serial.content.toString('hex')]
}

function extension(element: DerElement): { oid: string; critical: boolean; value: Buffer } {
  const parts = derSequence(element.bytes)
  const value = parts.at(-1)
  if (value?.tag !== DER_TAG.octetString) throw notAList()
  return {
    oid: derOid(parts[0]),
    critical: parts.length > 2 && parts[1]?.content[0] === 0xff,
    value: value.content,
  }
}

function scopeOf(extensions: readonly DerElement[]): RevocationList['scope'] {
  let scope: RevocationList['scope'] = 'all'
  for (const { oid, critical, value } of extensions.map(extension)) {
    if (oid === OID.issuingDistributionPoint) scope = distributionScope(value)
    // A delta's indicator is critical, and so is whatever else would make the list say less.
    else if (critical && oid !== OID.crlNumber) return null
  }
  return scope
}

/** Section 5.2.5. */
function distributionScope(value: Buffer): RevocationList['scope'] {
  const flags = new Map(derSequence(value).map(({ tag, content }) => [tag, content]))
  const isSet = (tag: number): boolean => (flags.get(tag)?.[0] ?? 0) !== 0
  // onlySomeReasons, indirectCRL, onlyContainsAttributeCerts.
  if (flags.has(0x83) || isSet(0x84) || isSet(0x85)) return null
  return isSet(0x81) ? 'users' : isSet(0x82) ? 'authorities' : 'all'
}

function isSigned(tbs: Buffer, algorithm: DerElement, signature: Buffer, key: KeyObject): boolean {
  try {
    const found = readSignatureAlgorithm(algorithm)
    if (found === null) return false
    const { hash, isPss } = found
    if (!isPss) return verify(hash, tbs, key, signature)
    const padding = constants.RSA_PKCS1_PSS_PADDING
    return verify(hash, tbs, { key, padding, saltLength: constants.RSA_PSS_SALTLEN_AUTO }, signature)
  } catch {
    // A key that cannot be used with the algorithm did not make it.
    return false
  }
}
