import { createECDH, createHash, createHmac, createPrivateKey, createPublicKey } from 'node:crypto'
import { preAuthenticationEncoding } from '../../../signing/dsse.ts'
import { type PrivateKey, readPrivateKey, signBytes } from '../../../signing/key.ts'

/** Keys and signatures that come out the same each time, so that the files of vectors do. Nobody is to trust these keys. */

const sha256 = (...parts: Uint8Array[]): Buffer =>
  parts
    .reduce<ReturnType<typeof createHash>>((hash, part) => hash.update(part), createHash('sha256'))
    .digest()
const hmac = (key: Uint8Array, ...parts: Uint8Array[]): Buffer =>
  parts
    .reduce<ReturnType<typeof createHmac>>((mac, part) => mac.update(part), createHmac('sha256', key))
    .digest()
const seedOf = (name: string): Buffer => sha256(Buffer.from(`writ test vectors: ${name}`))

/** PKCS#8 of an Ed25519 key: PrivateKeyInfo around the 32 bytes of the seed (RFC 8410 section 7). */
const ED25519_PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex')

/** The key whose seed is the SHA-256 of `writ test vectors: ` and its name. */
export function ed25519Key(name: string): PrivateKey {
  const der = Buffer.concat([ED25519_PKCS8, seedOf(name)])
  const object = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  return readPrivateKey(object.export({ type: 'pkcs8', format: 'pem' }).toString())
}

/** Order of the base point of P-256 (FIPS 186-5, SP 800-186 section 3.2.1.3). */
export const P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n

/** The key whose private number is the SHA-256 of `writ test vectors: ` and its name. */
export function p256Key(name: string): PrivateKey {
  return p256KeyOf(seedOf(name))
}

/** A P-256 key of its private number, 32 bytes. */
export function p256KeyOf(d: Buffer): PrivateKey {
  const curve = createECDH('prime256v1')
  curve.setPrivateKey(d)
  const point = curve.getPublicKey()
  const jwk = {
    kty: 'EC',
    crv: 'P-256',
    d: d.toString('base64url'),
    x: point.subarray(1, 33).toString('base64url'),
    y: point.subarray(33).toString('base64url'),
  }
  const object = createPrivateKey({ key: jwk, format: 'jwk' })
  createPublicKey(object)
  return readPrivateKey(object.export({ type: 'pkcs8', format: 'pem' }).toString())
}

const number = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes).toString('hex')}`)
const octets = (value: bigint): Buffer => Buffer.from(value.toString(16).padStart(64, '0'), 'hex')

/** The numbers r and s of an ECDSA signature. */
export interface EcdsaNumbers {
  readonly r: bigint
  readonly s: bigint
}

/** Deterministic ECDSA (RFC 6979 section 3.2) over P-256 with SHA-256. */
export function ecdsaNumbers(d: Buffer, data: Uint8Array): EcdsaNumbers {
  const digest = sha256(data)
  const reduced = octets(number(digest) % P256_ORDER)
  let v: Buffer = Buffer.alloc(32, 1)
  let k: Buffer = Buffer.alloc(32, 0)
  for (const separator of [0, 1]) {
    k = hmac(k, v, Buffer.from([separator]), d, reduced)
    v = hmac(k, v)
  }
  for (;;) {
    v = hmac(k, v)
    const nonce = number(v)
    if (nonce > 0n && nonce < P256_ORDER) {
      const curve = createECDH('prime256v1')
      curve.setPrivateKey(v)
      const r = number(curve.getPublicKey().subarray(1, 33)) % P256_ORDER
      const s = modulo((number(digest) + r * number(d)) * inverse(nonce))
      if (r !== 0n && s !== 0n) return { r, s }
    }
    k = hmac(k, v, Buffer.from([0]))
    v = hmac(k, v)
  }
}

const modulo = (value: bigint): bigint => ((value % P256_ORDER) + P256_ORDER) % P256_ORDER

/** The inverse modulo the order, which is a prime: value^(order-2). */
function inverse(value: bigint): bigint {
  let [result, base] = [1n, modulo(value)]
  for (let exponent = P256_ORDER - 2n; exponent > 0n; exponent >>= 1n) {
    if (exponent & 1n) result = (result * base) % P256_ORDER
    base = (base * base) % P256_ORDER
  }
  return result
}

/** An INTEGER in DER (X.690 section 8.3), `zeros` of them too many in front. */
export function derInteger(value: bigint, zeros = 0): Buffer {
  const hex = value.toString(16)
  const bytes = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex')
  const sign = (bytes[0] ?? 0) > 0x7f ? 1 : 0
  const content = Buffer.concat([Buffer.alloc(sign + zeros), bytes])
  return Buffer.concat([Buffer.from([0x02, content.length]), content])
}

/** Ecdsa-Sig-Value (RFC 3279 section 2.2.3). */
export function derSignature({ r, s }: EcdsaNumbers): Buffer {
  const content = Buffer.concat([derInteger(r), derInteger(s)])
  return Buffer.concat([Buffer.from([0x30, content.length]), content])
}

/** The private number of a P-256 key. */
export function scalarOf(key: PrivateKey): Buffer {
  return Buffer.from(key.object.export({ format: 'jwk' }).d ?? '', 'base64url')
}

/** A signature of these bytes that is the same each time. */
export function signAlways(key: PrivateKey, data: Uint8Array): Buffer {
  return key.public.algorithm === 'ed25519'
    ? signBytes(key, data)
    : derSignature(ecdsaNumbers(scalarOf(key), data))
}

/** What an envelope of vectors is made of, before it is text. */
export interface Enveloped {
  payloadType: string
  payload: string
  signatures: { keyid?: string; sig: string }[]
}

/** A DSSE envelope, signed by each of the keys. */
export function enveloped(payloadType: string, payload: Uint8Array, keys: readonly PrivateKey[]): Enveloped {
  const signed = preAuthenticationEncoding(payloadType, payload)
  return {
    payloadType,
    payload: Buffer.from(payload).toString('base64'),
    signatures: keys.map(key => ({
      keyid: key.public.id,
      sig: signAlways(key, signed).toString('base64'),
    })),
  }
}
