import { createCipheriv, createDecipheriv, type KeyObject, randomBytes } from 'node:crypto'
import * as v from 'valibot'
import { base64ToBytes } from '../encoding/text.ts'
import { hpkeOpen, hpkeSeal } from '../signing/hpke.ts'
import { AuthorizationError } from './error.ts'
import { hostId, integer, list, parseDocument, text } from './schema.ts'

/** Most secrets of one artifact (WIRE_SECRETS_MAX, native/shared/wire.h). */
const MOST_SECRETS = 4
/** Most bytes of one secret; an artifact of several has to fit into a statement's limit as well. */
export const MAX_SECRET_BYTES = 32 << 10
const NONCE_BYTES = 12
const TAG_BYTES = 16

const base64 = (least: number, most: number) =>
  v.pipe(
    v.string(),
    v.maxLength(Math.ceil(most / 3) * 4),
    v.check(value => {
      try {
        const { length } = base64ToBytes(value)
        return length >= least && length <= most
      } catch {
        return false
      }
    }, 'not base64 of a possible length'),
  )

export const secretName = text(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'not the name of a secret')
/** The numbers that the launcher takes (WIRE_SECRET_FIRST, WIRE_SECRET_LAST): 0 to 2 are the streams. */
export const secretDescriptor = integer(3, 63)

/** A secret as it is signed: of use to the TPMs that it was sealed for, and to nobody else. */
export const sealedSecret = v.strictObject({
  name: secretName,
  /** Under which its program finds it. */
  descriptor: secretDescriptor,
  /** Nonce ‖ AES-256-GCM of the secret under a key that each of the TPMs below holds. */
  payload: base64(NONCE_BYTES + TAG_BYTES, MAX_SECRET_BYTES + NONCE_BYTES + TAG_BYTES),
  /** One for each host. */
  recipients: v.pipe(
    list(
      v.strictObject({
        host: hostId,
        /** TPMT_PUBLIC, TPM2B_PRIVATE and TPM2B_ENCRYPTED_SECRET (without their sizes) for TPM2_Import under that host's endorsement key. */
        publicArea: base64(40, 256),
        duplicate: base64(40, 512),
        encryptedSeed: base64(32, 1024),
        /** The sealed object's authValue, sealed to the daemon's key. */
        authValue: base64(80, 80),
      }),
      64,
      item => item.host,
    ),
    v.minLength(1),
  ),
})
export type SealedSecret = v.InferOutput<typeof sealedSecret>

/** Reads a secret that is in a file of its own, before it is in an artifact. @throws AuthorizationError `STATEMENT_MALFORMED` */
export function parseSealedSecret(bytes: Uint8Array): SealedSecret {
  return parseDocument(sealedSecret, bytes, 'STATEMENT_MALFORMED', { maxBytes: 256 << 10, maxDepth: 5 })
}

/** Left out: no secrets. */
export const sealedSecrets = v.pipe(
  list(sealedSecret, MOST_SECRETS, item => item.name),
  v.minLength(1),
  v.check(
    items => new Set(items.map(item => item.descriptor)).size === items.length,
    'two secrets under one descriptor',
  ),
)

/** What of a secret is part of a permit's terms. */
export const secretTerms = v.pipe(
  list(v.strictObject({ name: secretName, descriptor: secretDescriptor }), MOST_SECRETS, item => item.name),
  v.minLength(1),
)

/** The words that the authValue is sealed with; the payload is bound to its name by others. */
const AUTH_INFO = Buffer.from('writ/v1/secret-auth')
/** Artifacts are no secret: bound to the issuer, so that no other authority of the host can sign an artifact of its own around what was sealed for this one. */
const payloadContext = (issuer: string, name: string) =>
  Buffer.from(`writ/v1/secret-payload\0${issuer}\0${name}`)

/** @param key 32 bytes, which are sealed to TPMs; @param issuer of the artifacts that may hand it over; @returns base64 */
export function encryptPayload(issuer: string, name: string, key: Buffer, secret: Buffer): string {
  if (secret.length > MAX_SECRET_BYTES)
    throw new AuthorizationError('STATEMENT_MALFORMED', `a secret of more than ${MAX_SECRET_BYTES} bytes`)
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  cipher.setAAD(payloadContext(issuer, name))
  return Buffer.concat([nonce, cipher.update(secret), cipher.final(), cipher.getAuthTag()]).toString('base64')
}

/** @param issuer of the artifact that it is in. @throws AuthorizationError `SECRET_INVALID` */
export function decryptPayload({ name, payload }: SealedSecret, issuer: string, key: Buffer): Buffer {
  const bytes = base64ToBytes(payload)
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, NONCE_BYTES))
    decipher.setAAD(payloadContext(issuer, name))
    decipher.setAuthTag(bytes.subarray(-TAG_BYTES))
    return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()])
  } catch {
    throw new AuthorizationError(
      'SECRET_INVALID',
      `the secret ${name} is not what was sealed for artifacts of ${issuer}`,
    )
  }
}

/** Seals the authValue of an object with this public area to a daemon's key. @returns base64 */
export function sealAuthValue(daemon: KeyObject, publicArea: Buffer, authValue: Buffer): string {
  return hpkeSeal(daemon, AUTH_INFO, publicArea, authValue).toString('base64')
}

/** @throws HpkeError */
export function openAuthValue(daemon: KeyObject, publicArea: Buffer, sealed: string): Buffer {
  return hpkeOpen(daemon, AUTH_INFO, publicArea, base64ToBytes(sealed))
}
