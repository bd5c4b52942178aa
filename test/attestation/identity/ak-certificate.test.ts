import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import {
  issueAkCertificate,
  readAttestationKey,
  verifyAkCertificate,
} from '../../../attestation/identity/index.ts'
import { OBJECT_ATTRIBUTE } from '../../../attestation/tpm2/structures/index.ts'
import { generateKey, type KeyAlgorithm } from '../../../signing/key.ts'
import { forge } from './certificate-forge.ts'

const { decrypt, fixedParent, fixedTPM, noDA, restricted, sensitiveDataOrigin, sign, userWithAuth } =
  OBJECT_ATTRIBUTE
const FIT = fixedTPM | fixedParent | sensitiveDataOrigin | userWithAuth | noDA | restricted | sign

/** TPMT_PUBLIC of an ECDSA key: type, nameAlg, attributes, policy, symmetric null, scheme, curve, kdf null, x, y. */
function publicArea({
  attributes = FIT,
  nameAlg = '000b',
  scheme = '0018000b',
  curve = '0003',
} = {}): Buffer {
  const { x = '', y = '' } = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({
    format: 'jwk',
  })
  const hex = (text: string) => Buffer.from(text, 'base64url').toString('hex')
  const flags = attributes.toString(16).padStart(8, '0')
  return Buffer.from(`0023${nameAlg}${flags}00000010${scheme}${curve}00100020${hex(x)}0020${hex(y)}`, 'hex')
}

const notBefore = new Date('2026-06-01T00:00:00Z')
const notAfter = new Date('2027-06-01T00:00:00Z')
const at = new Date('2026-12-01T00:00:00Z')
const ekCertificateSha256 = 'ab'.repeat(32)
const code = (value: string) => expect.objectContaining({ name: 'IdentityError', code: value })

async function issued(algorithm: KeyAlgorithm = 'ed25519') {
  const operator = generateKey(algorithm)
  const ak = readAttestationKey(publicArea())
  const der = await issueAkCertificate({ ak, ekCertificateSha256, notBefore, notAfter }, operator)
  return { operator, ak, der }
}

describe.each(['ed25519', 'ecdsa-p256'] as const)('an AK certificate signed with %s', algorithm => {
  it('verifies and says whose it is', async () => {
    const { operator, ak, der } = await issued(algorithm)
    expect(verifyAkCertificate(der, operator.public, ak, at)).toEqual({
      akName: ak.name.toString('hex'),
      ekCertificateSha256,
      notBefore,
      notAfter,
    })
  })

  it('fails with any byte flipped, cut off or added', async () => {
    const { operator, ak, der } = await issued(algorithm)
    const verify = (bytes: Buffer) => () => verifyAkCertificate(bytes, operator.public, ak, at)
    for (let i = 0; i < der.length; i++) {
      const flipped = Buffer.from(der)
      flipped.writeUInt8(flipped.readUInt8(i) ^ (1 << (i % 8)), i)
      expect(verify(flipped), `byte ${i}`).toThrow(expect.objectContaining({ name: 'IdentityError' }))
    }
    expect(verify(Buffer.concat([der, Buffer.of(0)]))).toThrow(code('CERTIFICATE_MALFORMED'))
    expect(verify(der.subarray(0, -1))).toThrow(code('CERTIFICATE_MALFORMED'))
    expect(verify(Buffer.alloc(0))).toThrow(code('CERTIFICATE_MALFORMED'))
  })

  it('fails under another operator, for another AK, and outside of its time', async () => {
    const { operator, ak, der } = await issued(algorithm)
    const other = readAttestationKey(publicArea())
    for (const stranger of [generateKey('ed25519'), generateKey('ecdsa-p256')]) {
      expect(() => verifyAkCertificate(der, stranger.public, ak, at)).toThrow(code('SIGNATURE_INVALID'))
    }
    expect(() => verifyAkCertificate(der, operator.public, other, at)).toThrow(code('AK_MISMATCH'))
    // The same key under another Name is another object: its attributes may differ.
    const renamed = { ...ak, name: other.name }
    expect(() => verifyAkCertificate(der, operator.public, renamed, at)).toThrow(code('AK_MISMATCH'))
    const rekeyed = { ...ak, publicKey: other.publicKey }
    expect(() => verifyAkCertificate(der, operator.public, rekeyed, at)).toThrow(code('AK_MISMATCH'))
    const before = new Date(notBefore.getTime() - 1)
    const after = new Date(notAfter.getTime() + 1)
    expect(() => verifyAkCertificate(der, operator.public, ak, before)).toThrow(
      code('CERTIFICATE_NOT_YET_VALID'),
    )
    expect(() => verifyAkCertificate(der, operator.public, ak, after)).toThrow(code('CERTIFICATE_EXPIRED'))
  })
})

describe('verifyAkCertificate', () => {
  it.each([
    ['of another purpose', { purposes: ['2.23.133.8.1'], keyUsage: 1 }],
    ['of several purposes', { purposes: ['2.23.133.8.3', '2.5.29.37.0'], keyUsage: 1 }],
    ['of a CA', { purposes: ['2.23.133.8.3'], ca: true, keyUsage: 1 }],
    ['of another key usage', { purposes: ['2.23.133.8.3'], keyUsage: 33 }],
  ])("refuses a certificate %s, though it is the operator's", async (_, over) => {
    const forged = await forge(over)
    const operator = generateKey('ecdsa-p256')
    const { KeyObject } = await import('node:crypto')
    const signer = { ...operator.public, object: KeyObject.from(forged.keys.publicKey) }
    const ak = readAttestationKey(publicArea())
    expect(() => verifyAkCertificate(forged.der, signer, ak, at)).toThrow(code('KEY_USAGE'))
  })

  it("refuses the operator's certificate that names no AK", async () => {
    const forged = await forge({ purposes: ['2.23.133.8.3'], keyUsage: 1 })
    const { KeyObject } = await import('node:crypto')
    const signer = { ...generateKey('ecdsa-p256').public, object: KeyObject.from(forged.keys.publicKey) }
    expect(() => verifyAkCertificate(forged.der, signer, readAttestationKey(publicArea()), at)).toThrow(
      code('CERTIFICATE_MALFORMED'),
    )
  })
})

describe('issueAkCertificate', () => {
  it('gives no certificate that is never valid', async () => {
    const { ak, operator } = await issued()
    const fields = { ak, ekCertificateSha256, notBefore: notAfter, notAfter: notBefore }
    await expect(issueAkCertificate(fields, operator)).rejects.toThrow(TypeError)
  })
})

describe('readAttestationKey', () => {
  it('takes a restricted ECDSA P-256 key of the TPM', () => {
    expect(readAttestationKey(publicArea()).name.toString('hex')).toMatch(/^000b[0-9a-f]{64}$/)
  })

  it.each([
    ['without fixedTPM', { attributes: FIT & ~fixedTPM }],
    ['without fixedParent', { attributes: FIT & ~fixedParent }],
    ['without sensitiveDataOrigin', { attributes: FIT & ~sensitiveDataOrigin }],
    ['without userWithAuth', { attributes: FIT & ~userWithAuth }],
    ['without noDA', { attributes: FIT & ~noDA }],
    ['without restricted', { attributes: FIT & ~restricted }],
    ['without sign', { attributes: FIT & ~sign }],
    ['with decrypt', { attributes: FIT | decrypt }],
    ['named with SHA-1', { nameAlg: '0004' }],
    ['named with SHA-384', { nameAlg: '000c' }],
    ['of P-384', { curve: '0004' }],
    ['that signs SHA-1', { scheme: '00180004' }],
    ['of another scheme', { scheme: '001c000b' }],
    ['without a scheme', { scheme: '0010' }],
  ])('refuses a key %s', (_, over) => {
    expect(() => readAttestationKey(publicArea(over))).toThrow(code('AK_UNFIT'))
  })

  it('refuses bytes behind the public area, and a point that is not on the curve', () => {
    const area = publicArea()
    expect(() => readAttestationKey(Buffer.concat([area, Buffer.of(0)]))).toThrow(code('AK_UNFIT'))
    area.writeUInt8(area.readUInt8(area.length - 1) ^ 1, area.length - 1)
    expect(() => readAttestationKey(area)).toThrow(code('AK_UNFIT'))
  })
})
