import { createPublicKey, randomBytes } from 'node:crypto'
import {
  counterName,
  endorsementKeyOf,
  policyKeyName,
  type Recipient,
  SEALED_BYTES,
  sealFor,
  secretAuthPolicy,
} from '../attestation/index.ts'
import {
  encryptPayload,
  parseSealedSecret,
  type SealedSecret,
  sealAuthValue,
} from '../authorization/index.ts'
import { sha256 } from '../encoding/digest.ts'
import type { PublicKey } from '../signing/key.ts'
import { readAs } from './files.ts'

/** @throws CliError */
export function readSealedSecret(path: string): Promise<SealedSecret> {
  return readAs(path, 'a sealed secret', parseSealedSecret)
}

/** A policy's reference, from what people call it. */
export function policyReference(name: string): Buffer {
  return sha256(Buffer.from(`writ/v1/secret-policy\0${name}`))
}

/** The ceiling of a host's counter for one version of a policy. */
export function counterCeiling({ counterIndex, counterBase }: Recipient, version: number) {
  return { name: counterName(counterIndex), notAbove: counterBase + BigInt(version) }
}

/** Seals a secret for each of the hosts. */
export function sealSecret(
  secret: Buffer,
  options: {
    issuer: string
    name: string
    descriptor: number
    reference: string
    policyKey: PublicKey
    recipients: readonly Recipient[]
  },
): SealedSecret {
  const { issuer, name, descriptor } = options
  const key = randomBytes(SEALED_BYTES)
  const authPolicy = secretAuthPolicy(
    policyKeyName(options.policyKey.object),
    policyReference(options.reference),
  )
  const payload = encryptPayload(issuer, name, key, secret)
  const recipients = options.recipients.map(({ host, ekPublicArea, secretKeySpki }) => {
    const authValue = randomBytes(32)
    // A TPM drops trailing zeros.
    authValue[31] = (authValue[31] ?? 0) | 1
    const object = sealFor(endorsementKeyOf(ekPublicArea), key, authValue, authPolicy)
    const daemon = createPublicKey({ key: secretKeySpki, format: 'der', type: 'spki' })
    const sealed = sealAuthValue(daemon, object.publicArea, authValue)
    authValue.fill(0)
    return {
      host,
      publicArea: object.publicArea.toString('base64'),
      duplicate: object.duplicate.toString('base64'),
      encryptedSeed: object.encryptedSeed.toString('base64'),
      authValue: sealed,
    }
  })
  key.fill(0)
  return { name, descriptor, payload, recipients }
}
