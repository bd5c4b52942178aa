import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { endorsementKey, makeCredential } from '../../../attestation/identity/index.ts'
import { kdfA, kdfE } from '../../../attestation/identity/kdf.ts'

const name = Buffer.from(`000b${'11'.repeat(32)}`, 'hex')
const code = (value: string) => expect.objectContaining({ name: 'IdentityError', code: value })
const ek = () => endorsementKey(generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey)

describe('makeCredential', () => {
  it('gives structures of the sizes that they declare, and never the same twice', () => {
    const key = ek()
    const a = makeCredential(key, name, Buffer.alloc(32))
    const b = makeCredential(key, name, Buffer.alloc(32))
    expect(a.credentialBlob.readUInt16BE()).toBe(a.credentialBlob.length - 2)
    expect(a.encryptedSecret.readUInt16BE()).toBe(a.encryptedSecret.length - 2)
    // TPMS_ID_OBJECT: sized HMAC of 32 bytes, then the encrypted TPM2B of 32 bytes.
    expect(a.credentialBlob.length).toBe(2 + 2 + 32 + 2 + 32)
    expect(a.encryptedSecret).not.toEqual(b.encryptedSecret)
    expect(a.credentialBlob).not.toEqual(b.credentialBlob)
  })

  it('refuses secrets that do not fit and Names that are none', () => {
    expect(() => makeCredential(ek(), name, Buffer.alloc(0))).toThrow(code('SECRET_INVALID'))
    expect(() => makeCredential(ek(), name, Buffer.alloc(33))).toThrow(code('SECRET_INVALID'))
    for (const bad of [Buffer.alloc(0), name.subarray(1), Buffer.concat([name, name]), Buffer.alloc(34)]) {
      expect(() => makeCredential(ek(), bad, Buffer.alloc(32))).toThrow(code('AK_UNFIT'))
    }
  })

  it('refuses keys that no EK template has', () => {
    for (const key of [
      generateKeyPairSync('ed25519').publicKey,
      generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey,
      generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey,
    ]) {
      expect(() => endorsementKey(createPublicKey(key.export({ type: 'spki', format: 'pem' })))).toThrow(
        code('EK_UNSUPPORTED'),
      )
    }
  })
})

describe('key derivation', () => {
  it('gives exactly the bits asked for, and the longer begins like no shorter one', () => {
    const none = Buffer.alloc(0)
    expect(kdfA('sha256', name, 'STORAGE', none, none, 512)).toHaveLength(64)
    expect(kdfE('sha256', name, 'IDENTITY', none, none, 384)).toHaveLength(48)
    // KDFa hashes the length; KDFe does not (TPM 2.0 Part 1, sections 11.4.10.2 and 11.4.10.3).
    const [short, long] = [256, 512].map(bits => kdfA('sha256', name, 'STORAGE', none, none, bits))
    expect(long?.subarray(0, 32)).not.toEqual(short)
    const [first, more] = [256, 512].map(bits => kdfE('sha256', name, 'IDENTITY', none, none, bits))
    expect(more?.subarray(0, 32)).toEqual(first)
  })
})
