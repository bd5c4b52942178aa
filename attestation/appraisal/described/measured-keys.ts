import { hash, X509Certificate } from 'node:crypto'
import { ByteReader } from '../../../encoding/byte-reader.ts'
import { EncodingError } from '../../../encoding/error.ts'

/** A key, or a digest that stands for an image, as a database or an authority names it. */
export interface MeasuredKey {
  /** For people: a certificate's common name. */
  readonly name: string
  /** SHA-256 of a certificate (DER); the digest itself of an image; SHA-256 of anything else. */
  readonly fingerprint: string
}

/** EFI_CERT_X509_GUID and EFI_CERT_SHA256_GUID as they stand in memory (UEFI 2.10, section 32.4.1). */
const X509 = 'a159c0a5e494a74a87b5ab155c2bf072'
const SHA256 = '2616c4c14c509240aca941f936934328'
/** More than any database holds. */
const MAX_KEYS = 8192

/** The entries of EFI_SIGNATURE_LISTs (UEFI 2.10, section 32.4.1), null for bytes that are none. */
export function readKeyDatabase(data: Uint8Array): readonly MeasuredKey[] | null {
  const reader = new ByteReader(data, 'EFI_SIGNATURE_LIST')
  const keys: MeasuredKey[] = []
  try {
    while (reader.remaining > 0) {
      const type = reader.bytes(16, 'SignatureType').toString('hex')
      const listSize = reader.u32le('SignatureListSize')
      const headerSize = reader.u32le('SignatureHeaderSize')
      const size = reader.u32le('SignatureSize')
      const body = listSize - 28
      // No type has a header: one would hide an entry (go-attestation, "hash injection").
      if (headerSize !== 0 || size <= 16 || body < 0 || body % size !== 0) return null
      if (keys.length + body / size > MAX_KEYS) return null
      const entries = new ByteReader(reader.bytes(body, 'Signatures'), 'EFI_SIGNATURE_DATA')
      while (entries.remaining > 0) {
        entries.bytes(16, 'SignatureOwner')
        keys.push(keyOf(type, entries.bytes(size - 16, 'SignatureData')))
      }
    }
    return keys
  } catch (error) {
    if (error instanceof EncodingError) return null
    throw error
  }
}

function keyOf(type: string, data: Buffer): MeasuredKey {
  if (type === X509) return certificateKey(data)
  if (type === SHA256 && data.length === 32)
    return { name: 'an image digest', fingerprint: data.toString('hex') }
  return { name: 'a signature of another kind', fingerprint: hash('sha256', data) }
}

function certificateKey(der: Buffer): MeasuredKey {
  const fingerprint = hash('sha256', der)
  try {
    const subject = new X509Certificate(der).subject.split('\n')
    const name = subject.find(part => part.startsWith('CN=')) ?? subject.join(', ')
    return { name: name || 'a certificate', fingerprint }
  } catch {
    return { name: 'a certificate that cannot be read', fingerprint }
  }
}

/** What an EV_EFI_VARIABLE_AUTHORITY names: an EFI_SIGNATURE_DATA with a certificate, or any other value. */
export function readAuthorityKey(data: Buffer): MeasuredKey {
  // An owner's GUID, then DER; shim up to 15.4 logs the DER alone (tpm.c).
  for (const der of [data.subarray(16), data]) {
    if (der.length > 4 && der[0] === 0x30 && der[1] === 0x82 && der.readUInt16BE(2) + 4 === der.length) {
      return certificateKey(der)
    }
  }
  const text = data.toString('latin1')
  const name = /^sbat,[ -~\n]*$/.test(text) ? `SBAT ${text.split('\n')[0]}` : 'a value'
  return { name, fingerprint: hash('sha256', data) }
}
