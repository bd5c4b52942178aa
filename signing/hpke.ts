import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto'
import { WritError } from '../encoding/error.ts'

export type HpkeErrorCode = 'HPKE_INVALID'

/** What was sealed to a key does not open with it. Nothing of it says why. */
export class HpkeError extends WritError<HpkeErrorCode> {}

/** RFC 9180 section 7: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, and AES-GCM with a key of 128 or 256 bits. */
const KEM_ID = 0x0020
const KDF_ID = 0x0001
const AEADS = {
  'aes-128-gcm': { id: 0x0001, keyBytes: 16 },
  'aes-256-gcm': { id: 0x0002, keyBytes: 32 },
} as const
export type HpkeAead = keyof typeof AEADS

const HASH_BYTES = 32
const TAG_BYTES = 16
/** Bytes of an X25519 public key (RFC 7748), which the sealed bytes begin with. */
export const ENCAPSULATED_BYTES = 32
/** What comes before the 32 bytes of an X25519 key in DER (RFC 8410 section 4). */
const SPKI_PREFIX = Buffer.from('302a300506032b656e032100', 'hex')

interface Context {
  readonly key: Buffer
  readonly nonce: Buffer
}

/**
 * Seals to a public key, in one shot: HPKE base mode (RFC 9180 section 6.1).
 *
 * @param info what it is for; other words open nothing
 * @param ephemeral only for known answers: the sender's key pair
 * @returns enc ‖ ciphertext
 */
export function hpkeSeal(
  recipient: KeyObject,
  info: Uint8Array,
  aad: Uint8Array,
  plaintext: Uint8Array,
  aead: HpkeAead = 'aes-256-gcm',
  ephemeral: { publicKey: KeyObject; privateKey: KeyObject } = generateKeyPairSync('x25519'),
): Buffer {
  const enc = rawPublic(ephemeral.publicKey)
  const shared = diffieHellman({ privateKey: ephemeral.privateKey, publicKey: recipient })
  const { key, nonce } = schedule(shared, enc, rawPublic(recipient), info, aead)
  const cipher = createCipheriv(aead, key, nonce)
  cipher.setAAD(aad)
  return Buffer.concat([enc, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
}

/**
 * Opens what {@link hpkeSeal} made.
 *
 * @param sealed controlled by whoever sent it
 * @throws HpkeError
 */
export function hpkeOpen(
  recipient: KeyObject,
  info: Uint8Array,
  aad: Uint8Array,
  sealed: Buffer,
  aead: HpkeAead = 'aes-256-gcm',
): Buffer {
  try {
    if (sealed.length < ENCAPSULATED_BYTES + TAG_BYTES) throw new RangeError('too short')
    const enc = sealed.subarray(0, ENCAPSULATED_BYTES)
    const body = sealed.subarray(ENCAPSULATED_BYTES, -TAG_BYTES)
    const theirs = createPublicKey({ key: Buffer.concat([SPKI_PREFIX, enc]), format: 'der', type: 'spki' })
    // OpenSSL refuses a shared secret of zeros, as RFC 9180 section 7.1.4 wants.
    const shared = diffieHellman({ privateKey: recipient, publicKey: theirs })
    const { key, nonce } = schedule(shared, enc, rawPublic(createPublicKey(recipient)), info, aead)
    const decipher = createDecipheriv(aead, key, nonce)
    decipher.setAAD(aad)
    decipher.setAuthTag(sealed.subarray(-TAG_BYTES))
    return Buffer.concat([decipher.update(body), decipher.final()])
  } catch {
    throw new HpkeError('HPKE_INVALID', 'it was not sealed to this key, or not for this')
  }
}

/** ExtractAndExpand of the KEM (section 4.1), then the key schedule of the base mode (section 5.1). */
function schedule(dh: Buffer, enc: Buffer, recipient: Buffer, info: Uint8Array, aead: HpkeAead): Context {
  const kem = Buffer.concat([Buffer.from('KEM'), i2osp(KEM_ID)])
  const eaePrk = labeledExtract(kem, Buffer.alloc(0), 'eae_prk', dh)
  const shared = labeledExpand(kem, eaePrk, 'shared_secret', Buffer.concat([enc, recipient]), HASH_BYTES)
  const { id, keyBytes } = AEADS[aead]
  const suite = Buffer.concat([Buffer.from('HPKE'), i2osp(KEM_ID), i2osp(KDF_ID), i2osp(id)])
  const none = Buffer.alloc(0)
  const context = Buffer.concat([
    Buffer.of(0), // mode_base
    labeledExtract(suite, none, 'psk_id_hash', none),
    labeledExtract(suite, none, 'info_hash', info),
  ])
  const secret = labeledExtract(suite, shared, 'secret', none)
  dh.fill(0)
  return {
    key: labeledExpand(suite, secret, 'key', context, keyBytes),
    nonce: labeledExpand(suite, secret, 'base_nonce', context, 12),
  }
}

/** Section 4: the label and the suite are part of what is hashed. HKDF-Extract is one HMAC (RFC 5869 section 2.2). */
function labeledExtract(suite: Buffer, salt: Buffer, label: string, ikm: Uint8Array): Buffer {
  const key = salt.length === 0 ? Buffer.alloc(HASH_BYTES) : salt
  return createHmac('sha256', key).update('HPKE-v1').update(suite).update(label).update(ikm).digest()
}

/** HKDF-Expand of at most one hash (RFC 5869 section 2.3): its counter stays at 1. */
function labeledExpand(suite: Buffer, prk: Buffer, label: string, info: Uint8Array, length: number): Buffer {
  return createHmac('sha256', prk)
    .update(i2osp(length))
    .update('HPKE-v1')
    .update(suite)
    .update(label)
    .update(info)
    .update(Buffer.of(1))
    .digest()
    .subarray(0, length)
}

function i2osp(value: number): Buffer {
  return Buffer.of(value >> 8, value & 0xff)
}

function rawPublic(key: KeyObject): Buffer {
  const der = key.export({ type: 'spki', format: 'der' })
  if (der.length !== SPKI_PREFIX.length + 32) throw new TypeError('not an X25519 key')
  return der.subarray(SPKI_PREFIX.length)
}
