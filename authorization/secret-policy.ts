import { createPublicKey, type KeyObject } from 'node:crypto'
import * as v from 'valibot'
import { canonicalJsonBytes } from '../encoding/json.ts'
import { base64ToBytes } from '../encoding/text.ts'
import type { PublicKey, Signer } from '../signing/key.ts'
import { openDocument, readDocument, signDocument } from './document.ts'
import { AuthorizationError } from './error.ts'
import { checkShape, digest, hostId, integer, list, orAny, parseDocument, text } from './schema.ts'

export const SECRET_POLICY_PAYLOAD_TYPE = 'application/vnd.writ.secret-policy.v1+json'

const base64 = v.pipe(
  v.string(),
  v.maxLength(400),
  v.check(value => Buffer.from(value, 'base64').toString('base64') === value, 'not base64'),
)
/** PCR 10 moves with every program that IMA measures, and PCRs from 16 on can be reset (PC Client Platform TPM Profile 1.05, section 4.6.2). */
const bootPcr = v.pipe(
  integer(0, 15),
  v.check(pcr => pcr !== 10, 'PCR 10 moves as long as the host runs'),
)

const policySchema = v.strictObject({
  /** Never goes back on one host. */
  version: integer(1, 1_000_000),
  /** What the policy is called: part of what is sealed, so that one key can approve for several purposes. */
  reference: digest,
  /** DER SubjectPublicKeyInfo of the ECDSA P-256 key that approves. */
  key: base64,
  /** Of the SHA-256 bank, ascending. */
  pcrs: v.pipe(
    list(bootPcr, 15),
    v.minLength(1),
    v.check(items => items.every((pcr, i) => i === 0 || pcr > (items[i - 1] ?? 0)), 'not ascending'),
  ),
  /** States of hosts that their TPMs open secrets in. */
  approvals: v.pipe(
    v.array(
      v.strictObject({
        host: orAny(hostId),
        /** SHA-256 over the values of `pcrs`. */
        pcrDigest: digest,
        /** The host's counter for secrets, and how far it may have gone: null, and nothing in the TPM stops an older approval. */
        counter: v.nullable(
          v.strictObject({
            name: text(/^000b[0-9a-f]{64}$/, 'not the Name of an NV index'),
            notAbove: text(/^(?:0|[1-9][0-9]{0,18})$/, 'not a number'),
          }),
        ),
        /** r ‖ s over the policy's digest and the reference (TPM 2.0 Part 3, section 23.16), which the TPM checks. */
        signature: v.pipe(
          base64,
          v.check(value => Buffer.from(value, 'base64').length === 64, 'not 64 bytes'),
        ),
      }),
    ),
    v.minLength(1),
    v.maxLength(1024),
  ),
})
export type SecretPolicyFields = v.InferOutput<typeof policySchema>
export type SecretApproval = SecretPolicyFields['approvals'][number]

/** In which states of a host its TPM opens secrets: signed by a governance key for the daemon, and within by the policy key for the TPM. */
export interface SecretPolicy extends SecretPolicyFields {
  readonly digest: string
  readonly envelope: Buffer
  readonly envelopeDigest: string
}

const MAX_BYTES = 1 << 20

/** Parses the payload. The approvals' signatures are the TPM's to check. @throws AuthorizationError `SECRET_POLICY_MALFORMED` */
export function parseSecretPolicy(payload: Uint8Array): SecretPolicyFields {
  const fields = parseDocument(policySchema, payload, 'SECRET_POLICY_MALFORMED', {
    maxBytes: MAX_BYTES,
    maxDepth: 6,
  })
  secretPolicyKey(fields)
  return fields
}

/** The key that approves. @throws AuthorizationError `SECRET_POLICY_MALFORMED` */
export function secretPolicyKey({ key }: Pick<SecretPolicyFields, 'key'>): KeyObject {
  try {
    const der = base64ToBytes(key)
    const found = createPublicKey({ key: der, format: 'der', type: 'spki' })
    const isWhole = found.export({ format: 'der', type: 'spki' }).equals(der)
    if (isWhole && found.asymmetricKeyDetails?.namedCurve === 'prime256v1') return found
  } catch {
    // As any other key.
  }
  throw new AuthorizationError('SECRET_POLICY_MALFORMED', 'the key is not one of ECDSA P-256', { at: 'key' })
}

/** Envelope → governance signature → schema. @throws AuthorizationError */
export function openSecretPolicy(bytes: Uint8Array, governance: readonly PublicKey[]): SecretPolicy {
  const {
    payload,
    signer: _,
    ...names
  } = openDocument(bytes, SECRET_POLICY_PAYLOAD_TYPE, governance, 2 * MAX_BYTES)
  return { ...parseSecretPolicy(payload), ...names }
}

/** Reads it without its signature, to show it. @throws AuthorizationError */
export function readSecretPolicy(bytes: Uint8Array): SecretPolicy {
  const { payload, ...names } = readDocument(bytes, SECRET_POLICY_PAYLOAD_TYPE, 2 * MAX_BYTES)
  return { ...parseSecretPolicy(payload), ...names }
}

/** Whether `next` may follow: the version only goes up, and one version has one content. @throws AuthorizationError `ROLLED_BACK` */
export function checkSecretPolicySuccessor(
  current: Pick<SecretPolicy, 'version' | 'digest'> | null,
  next: Pick<SecretPolicy, 'version' | 'digest'>,
): void {
  if (current === null || next.digest === current.digest || next.version > current.version) return
  throw new AuthorizationError(
    'ROLLED_BACK',
    `a secret policy of version ${next.version} cannot follow version ${current.version}`,
    { at: 'version' },
  )
}

/** Signs it with a governance key. @throws AuthorizationError `SECRET_POLICY_MALFORMED` */
export function signSecretPolicy(fields: SecretPolicyFields, key: Signer): Buffer {
  const payload = canonicalJsonBytes(checkShape(policySchema, fields, 'SECRET_POLICY_MALFORMED'))
  return signDocument(SECRET_POLICY_PAYLOAD_TYPE, payload, key, 2 * MAX_BYTES)
}
