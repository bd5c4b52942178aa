import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto'
import * as v from 'valibot'
import { sha256Hex } from '../../../encoding/digest.ts'
import { WritError } from '../../../encoding/error.ts'
import { canonicalJsonBytes, parseJson } from '../../../encoding/json.ts'
import { base64ToBytes, hexToBytes } from '../../../encoding/text.ts'
import type { HierarchyState, TpmVendor } from '../properties.ts'
import { publicAreaName } from '../structures/index.ts'
import { ProvisionError } from './error.ts'

/** Who this host is: public, and of no use to anybody without the TPM. */
export interface HostIdentity {
  readonly akHandle: number
  /** TPMT_PUBLIC. */
  readonly akPublicArea: Buffer
  /** nameAlg ‖ SHA-256 of the public area; in hexadecimal it is the host's id. */
  readonly akName: Buffer
  readonly ekHandle: number
  readonly ekPublicArea: Buffer
  /** DER, or null: this TPM has none, and nobody will believe that it is one. */
  readonly ekCertificate: Buffer | null
  /** DER, what the vendor stored in the TPM between EK certificate and root. */
  readonly ekIntermediates: readonly Buffer[]
  readonly nvCounterIndex: number
  /** The NV counter that versions of the secret policy are held against, and what it showed when it was made. */
  readonly secretCounterIndex: number
  readonly secretCounterBase: bigint
  /** DER SubjectPublicKeyInfo of the daemon's X25519 key: authValues of sealed secrets come encrypted to it. */
  readonly secretKeySpki: Buffer
  /** What the TPM says about itself; unsigned. */
  readonly vendor: TpmVendor
  /** The hierarchies when the host was provisioned. */
  readonly hierarchies: HierarchyState
}

/** Whoever has these and reaches the TPM attests as this host, and opens what was sealed for it. */
export interface HostSecrets {
  /** authValues of the AK and the counters. */
  readonly akAuth: Buffer
  readonly nvCounterAuth: Buffer
  readonly secretCounterAuth: Buffer
  /** DER PKCS#8 of the X25519 key. */
  readonly secretKey: Buffer
}

/** Bytes of an authValue: the most that an object with a SHA-256 Name takes (Part 1, section 19.6.4.3). */
const AUTH_SIZE = 32

/** The host's id: its AK's Name in lower-case hexadecimal. */
export function hostId(identity: Pick<HostIdentity, 'akName'>): string {
  return identity.akName.toString('hex')
}

/** Fresh random authValues and key. */
export function newSecrets(): HostSecrets {
  const { privateKey } = generateKeyPairSync('x25519')
  return {
    akAuth: authValue(),
    nvCounterAuth: authValue(),
    secretCounterAuth: authValue(),
    secretKey: privateKey.export({ type: 'pkcs8', format: 'der' }),
  }
}

/** The public half of the daemon's X25519 key, as DER SubjectPublicKeyInfo. */
export function secretKeySpki({ secretKey }: Pick<HostSecrets, 'secretKey'>): Buffer {
  const key = createPublicKey(createPrivateKey({ key: secretKey, format: 'der', type: 'pkcs8' }))
  return key.export({ type: 'spki', format: 'der' })
}

/** The TPM drops trailing zeros, tpm2-tools do not all do the same: so there are none. */
function authValue(): Buffer {
  for (;;) {
    const bytes = randomBytes(AUTH_SIZE)
    if (bytes[AUTH_SIZE - 1] !== 0) return bytes
  }
}

const uint32 = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(0xffffffff))
const base64 = v.pipe(v.string(), v.maxLength(32 << 10))
const decimal = v.pipe(v.string(), v.regex(/^(?:0|[1-9][0-9]{0,19})$/))
const identitySchema = v.strictObject({
  version: v.literal(1),
  akHandle: uint32,
  akName: v.string(),
  akPublicArea: base64,
  ekHandle: uint32,
  ekPublicArea: base64,
  ekCertificate: v.nullable(base64),
  ekIntermediates: v.pipe(v.array(base64), v.maxLength(16)),
  nvCounterIndex: uint32,
  secretCounterIndex: uint32,
  secretCounterBase: decimal,
  secretKeySpki: base64,
  vendor: v.strictObject({
    manufacturer: v.pipe(v.string(), v.maxLength(4)),
    vendorString: v.pipe(v.string(), v.maxLength(16)),
    firmwareVersion: decimal,
    revision: uint32,
  }),
  hierarchies: v.strictObject({
    ownerAuthSet: v.boolean(),
    endorsementAuthSet: v.boolean(),
    lockoutAuthSet: v.boolean(),
    inLockout: v.boolean(),
  }),
})
const secretHex = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/))
const secretsSchema = v.strictObject({
  version: v.literal(1),
  akAuth: secretHex,
  nvCounterAuth: secretHex,
  secretCounterAuth: secretHex,
  secretKey: v.pipe(v.string(), v.regex(/^[0-9a-f]{96}$/)),
  sha256: secretHex,
})

export function encodeIdentity(identity: HostIdentity): Buffer {
  const { vendor } = identity
  return canonicalJsonBytes({
    version: 1,
    akHandle: identity.akHandle,
    akName: hostId(identity),
    akPublicArea: identity.akPublicArea.toString('base64'),
    ekHandle: identity.ekHandle,
    ekPublicArea: identity.ekPublicArea.toString('base64'),
    ekCertificate: identity.ekCertificate?.toString('base64') ?? null,
    ekIntermediates: identity.ekIntermediates.map(der => der.toString('base64')),
    nvCounterIndex: identity.nvCounterIndex,
    secretCounterIndex: identity.secretCounterIndex,
    secretCounterBase: identity.secretCounterBase.toString(),
    secretKeySpki: identity.secretKeySpki.toString('base64'),
    vendor: { ...vendor, firmwareVersion: vendor.firmwareVersion.toString() },
    hierarchies: identity.hierarchies,
  })
}

/** @throws ProvisionError `IDENTITY_MALFORMED` */
export function decodeIdentity(bytes: Uint8Array): HostIdentity {
  return decode('identity', () => {
    const file = v.parse(identitySchema, parseJson(bytes))
    const akPublicArea = base64ToBytes(file.akPublicArea, 'akPublicArea')
    const akName = publicAreaName(akPublicArea)
    if (akName.toString('hex') !== file.akName) throw new TypeError('akName is not that of akPublicArea')
    return {
      akHandle: file.akHandle,
      akPublicArea,
      akName,
      ekHandle: file.ekHandle,
      ekPublicArea: base64ToBytes(file.ekPublicArea, 'ekPublicArea'),
      ekCertificate: file.ekCertificate === null ? null : base64ToBytes(file.ekCertificate, 'ekCertificate'),
      ekIntermediates: file.ekIntermediates.map(der => base64ToBytes(der, 'ekIntermediates')),
      nvCounterIndex: file.nvCounterIndex,
      secretCounterIndex: file.secretCounterIndex,
      secretCounterBase: BigInt(file.secretCounterBase),
      secretKeySpki: base64ToBytes(file.secretKeySpki, 'secretKeySpki'),
      vendor: { ...file.vendor, firmwareVersion: BigInt(file.vendor.firmwareVersion) },
      hierarchies: file.hierarchies,
    }
  })
}

export function encodeSecrets(secrets: HostSecrets): Buffer {
  const file = {
    version: 1,
    akAuth: secrets.akAuth.toString('hex'),
    nvCounterAuth: secrets.nvCounterAuth.toString('hex'),
    secretCounterAuth: secrets.secretCounterAuth.toString('hex'),
    secretKey: secrets.secretKey.toString('hex'),
  }
  return canonicalJsonBytes({ ...file, sha256: sha256Hex(canonicalJsonBytes(file)) })
}

/** @throws ProvisionError `IDENTITY_MALFORMED`; its message has nothing of the secrets */
export function decodeSecrets(bytes: Uint8Array): HostSecrets {
  return decode('secrets', () => {
    const { sha256, ...file } = v.parse(secretsSchema, parseJson(bytes))
    // No forger's work is prevented: a damaged secret is found when the daemon starts, not when a TPM refuses it one day.
    if (sha256Hex(canonicalJsonBytes(file)) !== sha256) throw new TypeError('sha256 is not that of the rest')
    const secretKey = hexToBytes(file.secretKey)
    secretKeySpki({ secretKey })
    return {
      akAuth: hexToBytes(file.akAuth),
      nvCounterAuth: hexToBytes(file.nvCounterAuth),
      secretCounterAuth: hexToBytes(file.secretCounterAuth),
      secretKey,
    }
  })
}

function decode<T>(what: string, body: () => T): T {
  try {
    return body()
  } catch (error) {
    // A schema issue can quote the value that it is about; only its path goes into the message.
    const why = error instanceof v.ValiError ? v.getDotPath(error.issues[0]) : (error as Error).message
    const isOurs = error instanceof WritError || error instanceof TypeError || error instanceof v.ValiError
    if (!isOurs && !isKeyError(error)) throw error
    throw new ProvisionError(
      'IDENTITY_MALFORMED',
      `the host's ${what} file is malformed: ${why ?? 'wrong form'}`,
    )
  }
}

/** What OpenSSL says of bytes that are no key; its message has nothing of them. */
function isKeyError(error: unknown): boolean {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_OSSL')
}
