import { execFileSync } from 'node:child_process'
import { generateKeyPairSync, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  beginEnrollment,
  completeEnrollment,
  endorsementKey,
  makeCredential,
  readAttestationKey,
  verifyAkCertificate,
} from '../../../attestation/identity/index.ts'
import type { Tpm } from '../../../attestation/tpm2/index.ts'
import { parsePublicArea, publicAreaKey } from '../../../attestation/tpm2/structures/index.ts'
import { readPrivateKey, readPublicKey } from '../../../signing/key.ts'
import { leftovers, type SimulatedHost, startSimulatedHost } from './simulated-host.ts'

let host: SimulatedHost
let tpm: Tpm

beforeAll(async () => {
  host = await startSimulatedHost()
  tpm = host.simulated.connect()
})
afterAll(async () => {
  await tpm.close()
  await host.end()
})

const secret = Buffer.from('known to the operator alone 1234')

function credentialFor(akName: Buffer) {
  const ek = new X509Certificate(host.identity.ekCertificate ?? Buffer.alloc(0)).publicKey
  return makeCredential(endorsementKey(ek), akName, secret)
}

async function pemToDer(path: string): Promise<Buffer> {
  return new X509Certificate(await readFile(path)).raw
}

describe('credential activation', () => {
  it('gives back the secret for the AK of this TPM', async () => {
    const { ak, identity } = host
    const activated = tpm.activateCredential({ ak, ekHandle: identity.ekHandle, ...credentialFor(ak.name) })
    expect(await activated).toEqual(secret)
    expect(await leftovers(tpm)).toEqual([])
  })

  it('does so for an ECC EK as well', async () => {
    const env = { ...process.env, TPM2TOOLS_TCTI: tpm.tcti }
    await tpm.lend(async () => {
      execFileSync('tpm2_createek', ['-G', 'ecc', '-c', '0x81010005'], {
        cwd: host.dir,
        env,
        stdio: 'ignore',
      })
    })
    const area = (await tpm.readPublic(0x81010005))?.publicArea ?? Buffer.alloc(0)
    const ek = endorsementKey(publicAreaKey(parsePublicArea(area)))
    const credential = makeCredential(ek, host.ak.name, secret)
    expect(await tpm.activateCredential({ ak: host.ak, ekHandle: 0x81010005, ...credential })).toEqual(secret)
  })

  it('does not for the Name of another key', async () => {
    const { ak, identity } = host
    const other = Buffer.from(ak.name)
    other[5] = (other[5] ?? 0) ^ 1
    const activated = tpm.activateCredential({ ak, ekHandle: identity.ekHandle, ...credentialFor(other) })
    await expect(activated).rejects.toMatchObject({ code: 'TPM_RC' })
    expect(await leftovers(tpm)).toEqual([])
  })

  it('does not without the AK’s authValue', async () => {
    const { ak, identity } = host
    const activated = tpm.activateCredential({
      ak: { ...ak, auth: Buffer.alloc(0) },
      ekHandle: identity.ekHandle,
      ...credentialFor(ak.name),
    })
    await expect(activated).rejects.toMatchObject({ code: 'TPM_AUTH_FAILED' })
    expect(await leftovers(tpm)).toEqual([])
  })

  it('refuses what is no credential', async () => {
    const { ak, identity } = host
    const nothing = { credentialBlob: Buffer.alloc(2), encryptedSecret: Buffer.alloc(2) }
    await expect(
      tpm.activateCredential({ ak, ekHandle: identity.ekHandle, ...nothing }),
    ).rejects.toMatchObject({ code: 'TPM_RC' })
  })

  it('lets an operator without a TPM certify the AK', async () => {
    const at = new Date()
    const { challenge, pending, ek } = beginEnrollment(
      {
        ekCertificate: host.identity.ekCertificate ?? Buffer.alloc(0),
        akPublicArea: host.identity.akPublicArea,
      },
      {
        hardwareRoots: [],
        otherRoots: [await pemToDer(host.simulated.paths.rootCertificate)],
        intermediates: [await pemToDer(host.simulated.paths.intermediateCertificate)],
        at,
      },
    )
    expect(ek.rootKind).toBe('other')
    const answer = await tpm.activateCredential({
      ak: host.ak,
      ekHandle: host.identity.ekHandle,
      ...challenge,
    })
    const { privateKey, publicKey } = generateKeyPairSync('ed25519')
    const notAfter = new Date(at.getTime() + 86_400_000)
    const operator = readPrivateKey(privateKey.export({ type: 'pkcs8', format: 'pem' }))
    const certificate = await completeEnrollment(pending, answer, operator, { at, notAfter })
    const spki = readPublicKey(publicKey.export({ type: 'spki', format: 'pem' }))
    expect(() =>
      verifyAkCertificate(certificate, spki, readAttestationKey(host.identity.akPublicArea), at),
    ).not.toThrow()
  })
})
