import { createPublicKey, type KeyObject, X509Certificate } from 'node:crypto'
import { WritError } from '../../encoding/error.ts'
import {
  type PublicArea,
  parsePublicArea,
  publicAreaFromSized,
  publicAreaKey,
  publicAreaName,
  StructureError,
} from '../tpm2/structures/index.ts'

/** The key that a quote is verified by, and what is known of it beside its public key. */
export interface QuoteKey {
  readonly object: KeyObject
  /** Null for a bare public key or a certificate: then neither attributes nor Name can be known. */
  readonly area: PublicArea | null
  readonly name: Buffer | null
  readonly form: 'TPMT_PUBLIC' | 'TPM2B_PUBLIC' | 'public key' | 'certificate'
}

/** Keys read before, by their bytes: the attestor verifies by one key for as long as it lives. */
const readKeys = new WeakMap<Uint8Array, { readonly bytes: Buffer; readonly key: QuoteKey }>()

/** Reads a TPMT_PUBLIC as the key of quotes. @throws StructureError | EncodingError */
export function tpmQuoteKey(publicArea: Uint8Array): QuoteKey {
  const known = readKeys.get(publicArea)
  if (known?.bytes.equals(publicArea)) return known.key
  const area = parsePublicArea(publicArea)
  const object = publicAreaKey(area)
  const key: QuoteKey = { object, area, name: publicAreaName(publicArea), form: 'TPMT_PUBLIC' }
  readKeys.set(publicArea, { bytes: Buffer.from(publicArea), key })
  return key
}

/**
 * Reads the key of a quote from what a person has of it: TPM2B_PUBLIC or TPMT_PUBLIC as TPM tools write them, a public key (PEM,
 * DER SubjectPublicKeyInfo), or an X.509 certificate (PEM, DER), whose chain is not looked at.
 *
 * @throws StructureError | EncodingError
 */
export function readQuoteKey(bytes: Uint8Array): QuoteKey {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  // TPM_ALG_RSA and TPM_ALG_ECC begin a TPMT_PUBLIC; a TPM2B_PUBLIC of one or 35 bytes holds no key.
  if (view.length > 2 && view.readUInt16BE() === view.length - 2)
    return { ...tpmQuoteKey(publicAreaFromSized(view)), form: 'TPM2B_PUBLIC' }
  if (view[0] === 0x30) return derKey(view)
  const text = view.subarray(0, MAX_PEM_BYTES).toString('latin1')
  const label = /-----BEGIN ([A-Z ]+)-----/.exec(text)?.[1]
  if (label === undefined) return tpmQuoteKey(view)
  const form = label === 'CERTIFICATE' ? 'certificate' : 'public key'
  return opaqueKey(form, () =>
    form === 'certificate' ? new X509Certificate(text).publicKey : publicKeyOf(text, label),
  )
}

const MAX_PEM_BYTES = 64 << 10

function publicKeyOf(text: string, label: string): KeyObject {
  // createPublicKey also takes private keys, which have no business here.
  if (!/^(?:RSA )?PUBLIC KEY$/.test(label)) throw new StructureError('UNSUPPORTED', `a PEM of kind ${label}`)
  return createPublicKey(text)
}

function derKey(der: Buffer): QuoteKey {
  try {
    return opaqueKey('certificate', () => new X509Certificate(der).publicKey)
  } catch {
    return opaqueKey('public key', () => createPublicKey({ key: der, format: 'der', type: 'spki' }))
  }
}

function opaqueKey(form: 'certificate' | 'public key', read: () => KeyObject): QuoteKey {
  try {
    return { object: read(), area: null, name: null, form }
  } catch (cause) {
    if (cause instanceof WritError) throw cause
    throw new StructureError('MALFORMED', `the ${form} cannot be read`, { cause })
  }
}
