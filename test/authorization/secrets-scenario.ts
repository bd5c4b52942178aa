import { generateKeyPairSync, randomBytes } from 'node:crypto'
import type { SealedSecret, SecretPolicyFields } from '../../authorization/index.ts'
import { HOST } from './scenario.ts'

const b64 = (bytes: number) => randomBytes(bytes).toString('base64')

/** A secret of the right form, for the host of the scenario. */
export function sealedSecret(over: Partial<SealedSecret> = {}): SealedSecret {
  const blob = { publicArea: b64(80), duplicate: b64(120), encryptedSeed: b64(256), authValue: b64(80) }
  return { name: 'model', descriptor: 3, payload: b64(60), recipients: [{ host: HOST, ...blob }], ...over }
}

const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey

/** A policy of the right form; its approval is for the host of the scenario, with a counter. */
export function policyFields(over: Partial<SecretPolicyFields> = {}): SecretPolicyFields {
  return {
    version: 3,
    reference: '11'.repeat(32),
    key: key.export({ type: 'spki', format: 'der' }).toString('base64'),
    pcrs: [0, 4, 7],
    approvals: [
      {
        host: HOST,
        pcrDigest: '22'.repeat(32),
        counter: { name: `000b${'33'.repeat(32)}`, notAbove: '9' },
        signature: Buffer.alloc(64, 0x44).toString('base64'),
      },
    ],
    ...over,
  }
}
export const POLICY = policyFields()
