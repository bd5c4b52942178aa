import * as v from 'valibot'
import { WritError } from '../../encoding/error.ts'
import { canonicalJsonBytes, parseJson } from '../../encoding/json.ts'
import { base64ToBytes } from '../../encoding/text.ts'
import { BundleError } from './error.ts'

/** Where a bundle keeps what its host says of itself. */
export const IDENTITY_PATH = 'host/identity.json'
export const AK_CERTIFICATE_PATH = 'host/ak-certificate.der'

/** What a host says of its TPM. Nothing in it is to be believed before a certificate by the operator, and a root, say so. */
export interface HostIdentityDocument {
  /** TPMT_PUBLIC of the attestation key. */
  readonly akPublicArea: Buffer
  /** DER; null when the TPM has no EK certificate. */
  readonly ekCertificate: Buffer | null
  /** DER, in the order from the EK certificate up. */
  readonly ekIntermediates: readonly Buffer[]
}

const base64 = v.pipe(v.string(), v.maxLength(64 << 10))
const schema = v.strictObject({
  v: v.literal(1),
  akPublicArea: base64,
  ekCertificate: v.nullable(base64),
  ekIntermediates: v.pipe(v.array(base64), v.maxLength(16)),
})

/** The one encoding of an identity: canonical JSON. */
export function encodeHostIdentity(identity: HostIdentityDocument): Buffer {
  return canonicalJsonBytes({
    v: 1,
    akPublicArea: identity.akPublicArea.toString('base64'),
    ekCertificate: identity.ekCertificate?.toString('base64') ?? null,
    ekIntermediates: identity.ekIntermediates.map(der => der.toString('base64')),
  })
}

/**
 * Reads an identity. Only the encoding that {@link encodeHostIdentity} makes is taken, so that no byte of the file is
 * without meaning.
 *
 * @throws BundleError `FILE_MALFORMED`
 */
export function parseHostIdentity(bytes: Buffer): HostIdentityDocument {
  const malformed = (why: string, cause?: unknown) =>
    new BundleError('FILE_MALFORMED', `${IDENTITY_PATH} ${why}`, { at: IDENTITY_PATH, cause })
  try {
    const parsed = v.safeParse(schema, parseJson(bytes, { maxBytes: 1 << 20, maxDepth: 3 }))
    if (!parsed.success) throw malformed('has not the fields of a host identity')
    const identity = {
      akPublicArea: base64ToBytes(parsed.output.akPublicArea),
      ekCertificate: parsed.output.ekCertificate === null ? null : base64ToBytes(parsed.output.ekCertificate),
      ekIntermediates: parsed.output.ekIntermediates.map(text => base64ToBytes(text)),
    }
    if (!encodeHostIdentity(identity).equals(bytes)) throw malformed('is not in canonical form')
    return identity
  } catch (cause) {
    if (cause instanceof BundleError || !(cause instanceof WritError)) throw cause
    throw malformed(`cannot be read: ${cause.message}`, cause)
  }
}
