import { createCipheriv, createHash, createHmac, randomBytes } from 'node:crypto'
import { kdfA } from '../identity/kdf.ts'
import { type EndorsementKey, shareSecret } from '../identity/secret-sharing.ts'
import {
  ALG,
  hashSize,
  OBJECT_ATTRIBUTE,
  parsePublicArea,
  publicAreaKey,
  publicAreaName,
} from '../tpm2/structures/index.ts'
import { sized, u16, u32 } from '../tpm2/structures/integers.ts'

/** Bytes that are sealed: a key for AES-256-GCM. */
export const SEALED_BYTES = 32

/** A sealed data object for one endorsement key: what TPM2_Import takes. */
export interface SealedObject {
  /** TPMT_PUBLIC. */
  readonly publicArea: Buffer
  /** The content of a TPM2B_PRIVATE. */
  readonly duplicate: Buffer
  /** The content of a TPM2B_ENCRYPTED_SECRET. */
  readonly encryptedSeed: Buffer
}

/**
 * TPMT_PUBLIC of a sealed data object (TPM 2.0 Part 1, section 26.6; Part 2, section 12.2.4). Of its attributes only two are set:
 * `adminWithPolicy`, so that its authValue alone changes nothing, and `noDA`, since its authValue cannot be guessed and a wrong one must not lock
 * the TPM. `userWithAuth` is clear: without the policy nothing opens it. `fixedTPM` and `fixedParent` have to be clear in what is imported;
 * the policy has no command code, so that TPM2_Duplicate cannot be authorized either (Part 3, section 13.1).
 */
export function sealedPublicArea(authPolicy: Buffer, unique: Buffer): Buffer {
  return Buffer.concat([
    u16(ALG.KEYEDHASH),
    u16(ALG.SHA256),
    u32(OBJECT_ATTRIBUTE.adminWithPolicy | OBJECT_ATTRIBUTE.noDA),
    sized(authPolicy),
    u16(ALG.NULL),
    sized(unique),
  ])
}

/**
 * Seals `data` for the TPM with this endorsement key, in software: TPM2_Create and TPM2_Duplicate as the TPM would do them, with an
 * outer wrapper alone (Part 1, section 23.3).
 *
 * @param data {@link SEALED_BYTES} bytes
 * @param authValue 32 random bytes whose last is not zero
 */
export function sealFor(
  ek: EndorsementKey,
  data: Buffer,
  authValue: Buffer,
  authPolicy: Buffer,
): SealedObject {
  if (data.length !== SEALED_BYTES || authValue.length !== 32 || authValue[31] === 0) {
    throw new TypeError('32 bytes are sealed, under an authValue of 32 that does not end with a zero')
  }
  const seedValue = randomBytes(32)
  const unique = createHash('sha256').update(seedValue).update(data).digest()
  const publicArea = sealedPublicArea(authPolicy, unique)
  const name = publicAreaName(publicArea)
  // TPMT_SENSITIVE (Part 2, section 12.3.2.4).
  const sensitive = sized(
    Buffer.concat([u16(ALG.KEYEDHASH), sized(authValue), sized(seedValue), sized(data)]),
  )
  const { secret: seed, encryptedSecret } = shareSecret(ek, 'DUPLICATE')
  const none = Buffer.alloc(0)
  const digestBits = hashSize(ek.nameAlg) * 8
  const symmetricKey = kdfA(ek.nameAlg, seed, 'STORAGE', name, none, ek.aesBits)
  const cipher = createCipheriv(`aes-${ek.aesBits}-cfb`, symmetricKey, Buffer.alloc(16))
  const encrypted = Buffer.concat([cipher.update(sensitive), cipher.final()])
  const hmacKey = kdfA(ek.nameAlg, seed, 'INTEGRITY', none, none, digestBits)
  const hmac = createHmac(ek.nameAlg, hmacKey).update(encrypted).update(name).digest()
  for (const secret of [sensitive, seed, symmetricKey, hmacKey, seedValue]) secret.fill(0)
  return { publicArea, duplicate: Buffer.concat([sized(hmac), encrypted]), encryptedSeed: encryptedSecret }
}

/**
 * The endorsement key behind a TPMT_PUBLIC.
 *
 * @throws StructureError | EncodingError | TypeError for one that cannot be a parent
 */
export function endorsementKeyOf(publicArea: Uint8Array): EndorsementKey {
  const area = parsePublicArea(publicArea)
  const bits = area.symmetric?.keyBits
  if (area.symmetric?.algorithm !== ALG.AES || (bits !== 128 && bits !== 256)) {
    throw new TypeError('the endorsement key is no storage key')
  }
  return { publicKey: publicAreaKey(area), nameAlg: area.nameAlg, aesBits: bits }
}
