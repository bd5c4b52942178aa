import { createCipheriv, randomBytes, scryptSync } from 'node:crypto'

/**
 * scrypt's cost (RFC 7914 section 2). 16 MiB of memory is what fits below the 32 MiB at which OpenSSL stops reading a key file
 * (SCRYPT_MAX_MEM, crypto/evp/pbe_scrypt.c); the work that memory does not give is in `p`. OWASP's Password Storage Cheat Sheet has N=2^14, r=8, p=5
 * as an equal of its first choice, N=2^17, p=1.
 */
const SCRYPT = { N: 1 << 14, r: 8, p: 10 }
const SALT_BYTES = 16
const KEY_BYTES = 32
const IV_BYTES = 16

/** PBES2 (RFC 8018 appendix A.4), scrypt (RFC 7914 section 7), aes256-CBC-PAD (RFC 8018 appendix B.2.5), as encoded OBJECT IDENTIFIERs. */
const OID = {
  pbes2: Buffer.from('06092a864886f70d01050d', 'hex'),
  scrypt: Buffer.from('06092b06010401da47040b', 'hex'),
  aes256Cbc: Buffer.from('060960864801650304012a', 'hex'),
} as const

/** One DER element (X.690 section 8.1) of less than 64 KiB. */
function element(tag: number, content: Buffer): Buffer {
  const { length } = content
  const head = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...head]), content])
}

const sequence = (...items: Buffer[]) => element(0x30, Buffer.concat(items))
const octets = (bytes: Buffer) => element(0x04, bytes)

function integer(value: number): Buffer {
  const hex = value.toString(16)
  const bytes = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex')
  return element(0x02, (bytes[0] ?? 0) < 0x80 ? bytes : Buffer.concat([Buffer.of(0), bytes]))
}

/**
 * Encrypts a PKCS#8 key under a passphrase: EncryptedPrivateKeyInfo (RFC 5958 section 3) with PBES2, scrypt and AES-256-CBC, which OpenSSL 1.1 and
 * later read. Node's own export has PBKDF2 with 2,048 rounds, which a graphics card tries a million times in a second.
 *
 * @param pkcs8 DER of a PrivateKeyInfo
 * @returns PEM text
 */
export function encryptPkcs8(pkcs8: Uint8Array, passphrase: string): string {
  const salt = randomBytes(SALT_BYTES)
  const iv = randomBytes(IV_BYTES)
  const key = scryptSync(Buffer.from(passphrase, 'utf8'), salt, KEY_BYTES, { ...SCRYPT, maxmem: 64 << 20 })
  const cipher = createCipheriv('aes-256-cbc', key, iv)
  const encrypted = Buffer.concat([cipher.update(pkcs8), cipher.final()])
  key.fill(0)
  const { N, r, p } = SCRYPT
  const derivation = sequence(
    OID.scrypt,
    sequence(octets(salt), integer(N), integer(r), integer(p), integer(KEY_BYTES)),
  )
  const scheme = sequence(OID.pbes2, sequence(derivation, sequence(OID.aes256Cbc, octets(iv))))
  const lines =
    sequence(scheme, octets(encrypted))
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return `-----BEGIN ENCRYPTED PRIVATE KEY-----\n${lines.join('\n')}\n-----END ENCRYPTED PRIVATE KEY-----\n`
}
