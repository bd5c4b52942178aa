import { createHash, type KeyObject } from 'node:crypto'
import {
  ALG,
  type HashAlgorithm,
  hashId,
  OBJECT_ATTRIBUTE,
  type PcrSelection,
  publicAreaName,
  writePcrSelection,
} from '../tpm2/structures/index.ts'
import { sized, u16, u32 } from '../tpm2/structures/integers.ts'

/** Command codes that are part of a policy's digest (TPM 2.0 Part 2, section 6.5.2). */
const CC = { PolicyNV: 0x149, PolicyAuthorize: 0x16a, PolicyAuthValue: 0x16b, PolicyPCR: 0x17f } as const
/** TPM_EO_UNSIGNED_LE (Part 2, section 6.8). */
const UNSIGNED_LE = 0x0009
/** A policy session begins with this digest (Part 1, section 19.7.3). */
const START = Buffer.alloc(32)

/** What a host has to be like, for the TPM to take an approval: PCRs of the SHA-256 bank, and how far its counter may have gone. */
export interface HostState {
  readonly selection: readonly PcrSelection[]
  /** SHA-256 over the values in the order of the selection. */
  readonly pcrDigest: Buffer
  /** Null: nothing in the TPM stops an older approval. */
  readonly counter: CounterCeiling | null
}

export interface CounterCeiling {
  /** Name of the NV index, as it is once written to. */
  readonly name: Buffer
  /** The approval holds as long as the counter is not above this. */
  readonly notAbove: bigint
}

/** PCRs of one bank, as the TPM takes them. */
export function pcrSelection(bank: HashAlgorithm, pcrs: readonly number[]): readonly PcrSelection[] {
  return [{ bank: hashId(bank), pcrs }]
}

/** SHA-256 over PCR values in their order, as TPM2_PolicyPCR compares it (Part 1, section 19.7.7.9). */
export function pcrDigest(values: readonly Buffer[]): Buffer {
  return digest(...values)
}

/** The digest of a policy session after TPM2_PolicyNV (if there is a counter) and TPM2_PolicyPCR. */
export function hostStatePolicy({ selection, pcrDigest: pcrs, counter }: HostState): Buffer {
  let policy: Buffer = START
  if (counter !== null) {
    // Part 3, section 23.9: args are hashed by themselves.
    const args = digest(counterOperand(counter.notAbove), u16(0), u16(UNSIGNED_LE))
    policy = digest(policy, u32(CC.PolicyNV), args, counter.name)
  }
  return digest(policy, u32(CC.PolicyPCR), writePcrSelection(selection), pcrs)
}

/** The counter's bytes are compared as a big-endian number of eight (Part 2, section 13.2). */
export function counterOperand(value: bigint): Buffer {
  const out = Buffer.alloc(8)
  out.writeBigUInt64BE(value)
  return out
}

/** What a policy key signs to approve of a policy: the TPM hashes the policy's digest with the reference (Part 3, section 23.16). */
export function approvalMessage(policy: Buffer, policyRef: Buffer): Buffer {
  return Buffer.concat([policy, policyRef])
}

/**
 * The authPolicy of a sealed secret: what this key approves of, under this reference, *and* the object's authValue (TPM2_PolicyAuthorize,
 * then TPM2_PolicyAuthValue). PolicyAuthorize begins anew, so that nothing of what was approved is part of it.
 */
export function secretAuthPolicy(policyKeyName: Buffer, policyRef: Buffer): Buffer {
  const authorized = digest(digest(START, u32(CC.PolicyAuthorize), policyKeyName), policyRef)
  return digest(authorized, u32(CC.PolicyAuthValue))
}

/**
 * TPMT_PUBLIC of a policy key: ECC P-256 that only signs, with the scheme left to the signature. Its Name is part of every secret's
 * policy, so this form never changes.
 *
 * @throws TypeError for another key
 */
export function policyKeyPublicArea(key: KeyObject): Buffer {
  const { x = '', y = '', crv } = key.export({ format: 'jwk' })
  if (crv !== 'P-256') throw new TypeError('a policy key is of ECDSA P-256, which a TPM can check')
  return Buffer.concat([
    u16(ALG.ECC),
    u16(ALG.SHA256),
    u32(OBJECT_ATTRIBUTE.sign | OBJECT_ATTRIBUTE.userWithAuth),
    sized(Buffer.alloc(0)), // authPolicy
    u16(ALG.NULL), // symmetric
    u16(ALG.NULL), // scheme
    u16(0x0003), // TPM_ECC_NIST_P256
    u16(ALG.NULL), // kdf
    sized(Buffer.from(x, 'base64url')),
    sized(Buffer.from(y, 'base64url')),
  ])
}

export function policyKeyName(key: KeyObject): Buffer {
  return publicAreaName(policyKeyPublicArea(key))
}

/** TPMT_SIGNATURE of ECDSA over SHA-256, from r ‖ s (IEEE P1363) of P-256. */
export function approvalSignature(raw: Buffer): Buffer {
  if (raw.length !== 64) throw new TypeError('r and s of P-256 are 32 bytes each')
  return Buffer.concat([u16(ALG.ECDSA), u16(ALG.SHA256), sized(raw.subarray(0, 32)), sized(raw.subarray(32))])
}

/** Name of the NV counter that holds older approvals off: its index and kind, as writ makes it (Part 1, section 16). */
export function counterName(index: number): Buffer {
  // TPMS_NV_PUBLIC (Part 2, section 13.6): a counter, AUTHREAD, AUTHWRITE, NO_DA, WRITTEN.
  const area = Buffer.concat([
    u32(index),
    u16(ALG.SHA256),
    u32(0x2000_0000 + 0x0200_0000 + 0x0004_0000 + 0x0010 + 0x0004),
    sized(Buffer.alloc(0)),
    u16(8),
  ])
  return Buffer.concat([u16(ALG.SHA256), digest(area)])
}

function digest(...parts: readonly Uint8Array[]): Buffer {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest()
}
