import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  beginEnrollment,
  completeEnrollment,
  readCertificateFile,
  trimCertificatePadding,
} from '../../../attestation/index.ts'
import { generateKey } from '../../../signing/key.ts'
import { EndorsedTpm } from '../identity/endorsed-tpm.ts'

// The certificate of a good TPM beside the key of another one: verifiers that check a chain and a quote, and not that both are of one TPM, take it.
describe('historic failure: EK and AK of different TPMs', () => {
  let good: EndorsedTpm
  let other: EndorsedTpm
  beforeAll(async () => {
    good = await EndorsedTpm.start()
    other = await EndorsedTpm.start()
  }, 60_000)
  afterAll(async () => {
    await good?.stop()
    await other?.stop()
  })

  it('gets no certificate: neither TPM can answer the challenge', async () => {
    const now = new Date()
    const { root, intermediate } = good.ca()
    const roots = {
      hardwareRoots: [],
      otherRoots: readCertificateFile(root),
      intermediates: readCertificateFile(intermediate),
      at: now,
    }
    const ekCertificate = trimCertificatePadding(good.ekCertificate('rsa2048'))
    const akPublicArea = other.createAk('rsa2048')
    const { challenge, pending } = beginEnrollment({ ekCertificate, akPublicArea }, roots)
    // The other TPM has the AK and not the EK; the good one has the EK, and no AK of this Name, though it has one of its own.
    expect(() => other.activate('rsa2048', challenge)).toThrow()
    good.createAk('rsa2048')
    expect(() => good.activate('rsa2048', challenge)).toThrow()
    const validity = { at: now, notAfter: new Date(now.getTime() + 1000) }
    await expect(
      completeEnrollment(pending, Buffer.alloc(32), generateKey('ed25519'), validity),
    ).rejects.toMatchObject({ code: 'ANSWER_WRONG' })
  }, 30_000)
})
