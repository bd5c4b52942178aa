import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'
import {
  approvalMessage,
  approvalSignature,
  counterName,
  endorsementKeyOf,
  hostStatePolicy,
  pcrDigest,
  policyKeyName,
  policyKeyPublicArea,
  sealFor,
  secretAuthPolicy,
} from '../../../attestation/sealed/index.ts'
import type {
  Approval,
  HostIdentity,
  HostSecrets,
  Tpm,
  UnsealRequest,
} from '../../../attestation/tpm2/index.ts'
import { hashId, type PcrSelection } from '../../../attestation/tpm2/structures/index.ts'

export const POLICY_REF = Buffer.from('11'.repeat(32), 'hex')
export const BOOT_PCRS: readonly PcrSelection[] = [{ bank: hashId('sha256'), pcrs: [0, 2, 4, 7] }]

/** A key that approves of host states, as an operator has one. */
export function policyKey(): { privateKey: KeyObject; publicKey: KeyObject } {
  return generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
}

export async function currentPcrs(tpm: Tpm, selection = BOOT_PCRS): Promise<Buffer> {
  const values = await tpm.readPcrs(selection)
  return pcrDigest(
    selection.flatMap(({ pcrs }) => pcrs.map(pcr => values.get('sha256')?.get(pcr) ?? Buffer.alloc(0))),
  )
}

export function approve(
  key: KeyObject,
  state: Omit<Approval, 'signature'>,
  policyRef = POLICY_REF,
): Approval {
  const message = approvalMessage(hostStatePolicy(state), policyRef)
  return {
    ...state,
    signature: approvalSignature(sign('sha256', message, { key, dsaEncoding: 'ieee-p1363' })),
  }
}

/** 32 random bytes that do not end with a zero. */
export function authValue(): Buffer {
  const bytes = randomBytes(32)
  bytes[31] = 1
  return bytes
}

/** Something sealed for this TPM, and all that opens it but an approval. */
export function sealedFor(
  identity: HostIdentity,
  secrets: HostSecrets,
  publicKey: KeyObject,
  data: Buffer = randomBytes(32),
): { data: Buffer; request: Omit<UnsealRequest, 'approvals'> } {
  const auth = authValue()
  const object = sealFor(
    endorsementKeyOf(identity.ekPublicArea),
    data,
    auth,
    secretAuthPolicy(policyKeyName(publicKey), POLICY_REF),
  )
  return {
    data,
    request: {
      ek: { handle: identity.ekHandle, publicArea: identity.ekPublicArea },
      object,
      authValue: auth,
      policyKey: policyKeyPublicArea(publicKey),
      policyRef: POLICY_REF,
      counter: { index: identity.secretCounterIndex, auth: secrets.secretCounterAuth },
    },
  }
}

/** A ceiling for the host's counter, so many versions above where it began. */
export function ceiling(identity: HostIdentity, version: number) {
  return {
    name: counterName(identity.secretCounterIndex),
    notAbove: identity.secretCounterBase + BigInt(version),
  }
}
