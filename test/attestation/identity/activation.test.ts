import { createPublicKey } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  beginEnrollment,
  completeEnrollment,
  encodePendingEnrollment,
  endorsementKey,
  makeCredential,
  parsePendingEnrollment,
  readAttestationKey,
  readCertificateFile,
  tier,
  trimCertificatePadding,
  verifyAkCertificate,
  verifyEkChain,
} from '../../../attestation/identity/index.ts'
import { publicAreaName } from '../../../attestation/tpm2/structures/index.ts'
import { generateKey } from '../../../signing/key.ts'
import { AK_ATTRIBUTES, EndorsedTpm } from './endorsed-tpm.ts'

let tpm: EndorsedTpm
let now: Date
let inAYear: Date
beforeAll(async () => {
  tpm = await EndorsedTpm.start()
  now = new Date()
  inAYear = new Date(now.getTime() + 365 * 86_400_000)
})
afterAll(() => tpm.stop())

function roots() {
  const { root, intermediate } = tpm.ca()
  return {
    hardwareRoots: [],
    otherRoots: readCertificateFile(root),
    intermediates: readCertificateFile(intermediate),
    at: now,
  }
}

describe('makeCredential against TPM2_ActivateCredential', () => {
  it.each(['rsa', 'ecc', 'ecc384', 'rsa3072'])('is opened by the TPM that holds the %s EK', algorithm => {
    const ek = endorsementKey(createPublicKey(tpm.createEk(algorithm)))
    const name = publicAreaName(tpm.createAk('ek.ctx'))
    for (const secret of [Buffer.alloc(32, 0x5a), Buffer.from([0])]) {
      expect(tpm.activate('ek.ctx', makeCredential(ek, name, secret))).toEqual(secret)
    }
  })

  it('is not opened for another AK, another EK, or when a byte was changed', () => {
    const ek = endorsementKey(createPublicKey(tpm.createEk('ecc')))
    const other = endorsementKey(createPublicKey(tpm.createEk('rsa')))
    const name = publicAreaName(tpm.createAk('ek.ctx'))
    const secret = Buffer.alloc(32, 1)
    const strange = Buffer.from(name)
    strange.writeUInt8(strange.readUInt8(33) ^ 1, 33)
    expect(() => tpm.activate('ek.ctx', makeCredential(other, strange, secret))).toThrow()
    expect(() => tpm.activate('ek.ctx', makeCredential(ek, name, secret))).toThrow()
    const changed = makeCredential(other, name, secret)
    changed.credentialBlob.writeUInt8(changed.credentialBlob.readUInt8(40) ^ 1, 40)
    expect(() => tpm.activate('ek.ctx', changed)).toThrow()
    expect(tpm.activate('ek.ctx', makeCredential(other, name, secret))).toEqual(secret)
  })
})

describe('enrollment', () => {
  it.each(['rsa2048', 'p384'] as const)(
    'certifies an AK under the %s EK of a real certificate',
    async kind => {
      const operator = generateKey('ed25519')
      const ekCertificate = trimCertificatePadding(tpm.ekCertificate(kind))
      const akPublicArea = tpm.createAk(kind)
      const { challenge, pending } = beginEnrollment({ ekCertificate, akPublicArea }, roots())
      const answer = tpm.activate(kind, challenge)
      const kept = parsePendingEnrollment(encodePendingEnrollment(pending))
      expect(kept).toEqual(pending)
      const certificate = await completeEnrollment(kept, answer, operator, { at: now, notAfter: inAYear })

      const ak = readAttestationKey(akPublicArea)
      const verified = verifyAkCertificate(certificate, operator.public, ak, now)
      const ek = verifyEkChain(ekCertificate, roots())
      expect(verified.akName).toBe(ak.name.toString('hex'))
      expect(verified.ekCertificateSha256).toBe(ek.leaf.sha256)
      expect(ek.tpm).toEqual({ manufacturer: '00001014', model: 'swtpm', version: '20191023' })
      expect(tier(ek)).toBe('simulated')
    },
  )

  it('refuses a wrong answer, a late one, and a challenge that another TPM key answers', async () => {
    const ekCertificate = trimCertificatePadding(tpm.ekCertificate('rsa2048'))
    const { challenge, pending } = beginEnrollment(
      { ekCertificate, akPublicArea: tpm.createAk('rsa2048') },
      roots(),
    )
    const operator = generateKey('ed25519')
    const validity = { at: now, notAfter: inAYear }
    const answer = tpm.activate('rsa2048', challenge)
    for (const wrong of [Buffer.alloc(32), Buffer.alloc(0), answer.subarray(1)]) {
      await expect(completeEnrollment(pending, wrong, operator, validity)).rejects.toMatchObject({
        code: 'ANSWER_WRONG',
      })
    }
    const late = { ...validity, at: new Date(now.getTime() + 600_001) }
    await expect(completeEnrollment(pending, answer, operator, late)).rejects.toMatchObject({
      code: 'ENROLLMENT_EXPIRED',
    })
    tpm.createAk('rsa2048')
    expect(() => tpm.activate('rsa2048', challenge)).toThrow()
  })

  it.each([
    ['without noDA', AK_ATTRIBUTES.replace('|noda', '')],
    ['without userWithAuth', AK_ATTRIBUTES.replace('|userwithauth', '')],
    ['not restricted', AK_ATTRIBUTES.replace('|restricted', '')],
    ['that can be duplicated', AK_ATTRIBUTES.replace('fixedtpm|fixedparent|', '')],
  ])('refuses an AK %s', (_, attributes) => {
    const ekCertificate = trimCertificatePadding(tpm.ekCertificate('rsa2048'))
    const akPublicArea = tpm.createAk('rsa2048', attributes)
    expect(() => beginEnrollment({ ekCertificate, akPublicArea }, roots())).toThrow(
      expect.objectContaining({ code: 'AK_UNFIT' }),
    )
  })
})
