import { createPublicKey, randomBytes } from 'node:crypto'
import * as v from 'valibot'
import {
  counterName,
  endorsementKeyOf,
  policyKeyName,
  SEALED_BYTES,
  sealFor,
  secretAuthPolicy,
} from '../attestation/index.ts'
import { encryptPayload, type SealedSecret, sealAuthValue, sealedSecret } from '../authorization/index.ts'
import { sha256 } from '../encoding/digest.ts'
import { canonicalJsonBytes, parseJson } from '../encoding/json.ts'
import { base64ToBytes } from '../encoding/text.ts'
import type { PublicKey } from '../signing/key.ts'
import { readAs } from './files.ts'

const base64 = v.pipe(v.string(), v.maxLength(8 << 10))
const recipientSchema = v.strictObject({
  v: v.literal(1),
  type: v.literal('secret-recipient'),
  host: v.pipe(v.string(), v.regex(/^000b[0-9a-f]{64}$/)),
  ekPublicArea: base64,
  secretKeySpki: base64,
  counterIndex: v.pipe(v.number(), v.integer(), v.minValue(0x0100_0000), v.maxValue(0x01ff_ffff)),
  counterBase: v.pipe(v.string(), v.regex(/^[0-9]{1,19}$/)),
})
/** What a host hands out so that secrets can be sealed for it. Whoever takes it has to know whose it is. */
export type Recipient = Omit<v.InferOutput<typeof recipientSchema>, 'v' | 'type'>

export function recipientBytes(recipient: Recipient): Buffer {
  return canonicalJsonBytes({ v: 1, type: 'secret-recipient', ...recipient })
}

/** @throws CliError */
export function readRecipient(path: string): Promise<Recipient> {
  return readAs(path, 'what a host handed out for secrets', bytes =>
    v.parse(recipientSchema, parseJson(bytes, { maxBytes: 64 << 10, maxDepth: 3 })),
  )
}

/** @throws CliError */
export function readSealedSecret(path: string): Promise<SealedSecret> {
  return readAs(path, 'a sealed secret', bytes =>
    v.parse(sealedSecret, parseJson(bytes, { maxBytes: 256 << 10, maxDepth: 5 })),
  )
}

/** A policy's reference, from what people call it. */
export function policyReference(name: string): Buffer {
  return sha256(Buffer.from(`writ/v1/secret-policy\0${name}`))
}

/** The ceiling of a host's counter for one version of a policy. */
export function counterCeiling({ counterIndex, counterBase }: Recipient, version: number) {
  return { name: counterName(counterIndex), notAbove: BigInt(counterBase) + BigInt(version) }
}

/** Seals a secret for each of the hosts. */
export function sealSecret(
  secret: Buffer,
  options: {
    name: string
    descriptor: number
    reference: string
    policyKey: PublicKey
    recipients: readonly Recipient[]
  },
): SealedSecret {
  const { name, descriptor } = options
  const key = randomBytes(SEALED_BYTES)
  const authPolicy = secretAuthPolicy(
    policyKeyName(options.policyKey.object),
    policyReference(options.reference),
  )
  const payload = encryptPayload(name, key, secret)
  const recipients = options.recipients.map(({ host, ekPublicArea, secretKeySpki }) => {
    const authValue = randomBytes(32)
    // A TPM drops trailing zeros.
    authValue[31] = (authValue[31] ?? 0) | 1
    const object = sealFor(endorsementKeyOf(base64ToBytes(ekPublicArea)), key, authValue, authPolicy)
    const daemon = createPublicKey({ key: base64ToBytes(secretKeySpki), format: 'der', type: 'spki' })
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
