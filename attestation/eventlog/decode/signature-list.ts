import { describeCertificate, type LoggedCertificate } from './certificate.ts'
import { malformed, tooLarge } from './error.ts'
import { GUID_BYTES, guidText } from './guid.ts'
import { type Slice, SliceReader } from './slice.ts'

/** What one entry of a signature database is. The owner is whatever the one who enrolled it wrote: it
 * authenticates nobody. It is null where shim logs an entry without it. */
export type SignatureEntry =
  | { readonly kind: 'certificate'; readonly owner: string | null; readonly certificate: LoggedCertificate }
  /** The Authenticode digest of an image. */
  | {
      readonly kind: 'image-digest'
      readonly owner: string | null
      readonly algorithm: string
      readonly digest: string
    }
  /** The digest of a certificate's to-be-signed part, and when it was revoked (all zero: always). */
  | {
      readonly kind: 'certificate-digest'
      readonly owner: string
      readonly algorithm: string
      readonly digest: string
      readonly revoked: Buffer
    }
  /** A bare RSA modulus, a digest signed with one, a PKCS #7 blob, or a type that UEFI does not define. */
  | { readonly kind: 'other'; readonly owner: string; readonly data: Buffer }

/** One EFI_SIGNATURE_LIST (UEFI 2.10, section 32.4.1). */
export interface SignatureList {
  /** SignatureType as text. */
  readonly type: string
  /** Its name in UEFI, null for a type that UEFI does not define. */
  readonly typeName: string | null
  readonly entries: readonly SignatureEntry[]
}

/** More than any database holds: dbx has about 500 entries, and variable stores have 64 to 256 kB. */
const MAX_SIGNATURES = 4096
/** Reading a certificate costs more than reading a digest. */
const MAX_CERTIFICATES = 256

interface SignatureType {
  readonly name: string
  /** Bytes after the owner; null where they are of any length. */
  readonly size: number | null
  readonly read: (owner: string, data: Buffer) => SignatureEntry
}

const other = (owner: string, data: Buffer): SignatureEntry => ({ kind: 'other', owner, data })
const certificate = (owner: string, data: Buffer): SignatureEntry => ({
  kind: 'certificate',
  owner,
  certificate: describeCertificate(data),
})
const imageDigest =
  (algorithm: string) =>
  (owner: string, data: Buffer): SignatureEntry => ({
    kind: 'image-digest',
    owner,
    algorithm,
    digest: data.toString('hex'),
  })
/** EFI_CERT_X509_SHA256 and its kin: a digest and an EFI_TIME. */
const EFI_TIME_BYTES = 16
const certificateDigest =
  (algorithm: string) =>
  (owner: string, data: Buffer): SignatureEntry => ({
    kind: 'certificate-digest',
    owner,
    algorithm,
    digest: data.subarray(0, -EFI_TIME_BYTES).toString('hex'),
    revoked: data.subarray(-EFI_TIME_BYTES),
  })

/** UEFI 2.10, section 32.4.1, "EFI_SIGNATURE_LIST": type, name and the size of its signatures. */
const TYPES: ReadonlyMap<string, SignatureType> = new Map([
  [
    'c1c41626-504c-4092-aca9-41f936934328',
    { name: 'EFI_CERT_SHA256_GUID', size: 32, read: imageDigest('sha256') },
  ],
  ['3c5766e8-269c-4e34-aa14-ed776e85b3b6', { name: 'EFI_CERT_RSA2048_GUID', size: 256, read: other }],
  ['e2b36190-879b-4a3d-ad8d-f2e7bba32784', { name: 'EFI_CERT_RSA2048_SHA256_GUID', size: 256, read: other }],
  [
    '826ca512-cf10-4ac9-b187-be01496631bd',
    { name: 'EFI_CERT_SHA1_GUID', size: 20, read: imageDigest('sha1') },
  ],
  ['67f8444f-8743-48f1-a328-1eaab8736080', { name: 'EFI_CERT_RSA2048_SHA1_GUID', size: 256, read: other }],
  ['a5c059a1-94e4-4aa7-87b5-ab155c2bf072', { name: 'EFI_CERT_X509_GUID', size: null, read: certificate }],
  [
    '0b6e5233-a65c-44c9-9407-d9ab83bfc8bd',
    { name: 'EFI_CERT_SHA224_GUID', size: 28, read: imageDigest('sha224') },
  ],
  [
    'ff3e5307-9fd0-48c9-85f1-8ad56c701e01',
    { name: 'EFI_CERT_SHA384_GUID', size: 48, read: imageDigest('sha384') },
  ],
  [
    '093e0fae-a6c4-4f50-9f1b-d41e2b89c19a',
    { name: 'EFI_CERT_SHA512_GUID', size: 64, read: imageDigest('sha512') },
  ],
  [
    '3bd2a492-96c0-4079-b420-fcf98ef103ed',
    { name: 'EFI_CERT_X509_SHA256_GUID', size: 48, read: certificateDigest('sha256') },
  ],
  [
    '7076876e-80c2-4ee6-aad2-28b349a6865b',
    { name: 'EFI_CERT_X509_SHA384_GUID', size: 64, read: certificateDigest('sha384') },
  ],
  [
    '446dbf63-2502-4cda-bcfa-2465d2b0fe9d',
    { name: 'EFI_CERT_X509_SHA512_GUID', size: 80, read: certificateDigest('sha512') },
  ],
  ['4aafd29d-68df-49ee-8aa9-347d375665a7', { name: 'EFI_CERT_TYPE_PKCS7_GUID', size: null, read: other }],
])

/** SignatureType, SignatureListSize, SignatureHeaderSize, SignatureSize. */
const LIST_HEADER_BYTES = GUID_BYTES + 12

/**
 * Reads a signature database: lists one after the other, until the end. Every size has to come out even. A SignatureHeaderSize other
 * than zero would let part of one entry pass for a header and what stands behind it for another entry: no type that UEFI defines has
 * a header (section 32.4.1), so one is refused.
 *
 * @throws EventDataError, EncodingError
 */
export function readSignatureLists(slice: Slice): readonly SignatureList[] {
  const reader = new SliceReader(slice, 'EFI_SIGNATURE_LIST')
  const lists: SignatureList[] = []
  const budget = { signatures: MAX_SIGNATURES, certificates: MAX_CERTIFICATES }
  while (reader.remaining > 0) lists.push(readList(reader, budget))
  return lists
}

function readList(reader: SliceReader, budget: { signatures: number; certificates: number }): SignatureList {
  const start = reader.position
  const type = guidText(reader.bytes(GUID_BYTES, 'SignatureType'))
  const listSize = reader.u32le('SignatureListSize')
  const headerSize = reader.u32le('SignatureHeaderSize')
  const size = reader.u32le('SignatureSize')
  const known = TYPES.get(type)
  if (headerSize !== 0) throw malformed(`a signature list with a header of ${headerSize} bytes`, start)
  if (listSize < LIST_HEADER_BYTES) throw malformed(`a signature list of ${listSize} bytes`, start)
  const body = listSize - LIST_HEADER_BYTES
  if (size <= GUID_BYTES || body === 0 || body % size !== 0) {
    throw malformed(`a signature list of ${body} bytes with signatures of ${size}`, start)
  }
  if (known !== undefined && known.size !== null && size !== GUID_BYTES + known.size) {
    throw malformed(`${known.name} signatures of ${size} bytes`, start)
  }
  // The list has to be there before its entries are counted: a count is never believed.
  const entries = new SliceReader(reader.slice(body, 'Signatures'), 'EFI_SIGNATURE_DATA')
  const count = body / size
  budget.signatures -= count
  if (known?.read === certificate) budget.certificates -= count
  if (budget.signatures < 0 || budget.certificates < 0) {
    throw tooLarge('a database with more signatures than are read', start)
  }
  const read = known?.read ?? other
  return {
    type,
    typeName: known?.name ?? null,
    entries: Array.from({ length: count }, () => {
      const owner = guidText(entries.bytes(GUID_BYTES, 'SignatureOwner'))
      return read(owner, entries.bytes(size - GUID_BYTES, 'SignatureData'))
    }),
  }
}
