import { generateKeyPairSync, hash, type KeyObject, sign } from 'node:crypto'
import type { ClockInfo, EnrolledAk, HashAlgorithm, PcrSelection, Quote } from '../../attestation/index.ts'
import {
  ALG,
  hashId,
  publicAreaName,
  QUOTED_SELECTION,
  ST_ATTEST_QUOTE,
  TPM_GENERATED,
  writePcrSelection,
} from '../../attestation/tpm2/structures/index.ts'

/** Attributes of an attestation key: fixedTPM, fixedParent, sensitiveDataOrigin, userWithAuth, noDA, restricted, sign. */
export const AK_ATTRIBUTES = 0x00050472

export interface QuoteFields {
  magic: number
  type: number
  qualifiedSigner: Buffer
  extraData: Buffer
  clock: ClockInfo
  firmwareVersion: bigint
  pcrSelection: readonly PcrSelection[]
  pcrDigest: Buffer
}

export const CLOCK: ClockInfo = { clock: 1000n, resetCount: 7, restartCount: 0, safe: true }

export function u16(...values: number[]): Buffer {
  const out = Buffer.alloc(values.length * 2)
  for (const [i, value] of values.entries()) out.writeUInt16BE(value, i * 2)
  return out
}

export function u32(value: number): Buffer {
  const out = Buffer.alloc(4)
  out.writeUInt32BE(value)
  return out
}

function u64(value: bigint): Buffer {
  const out = Buffer.alloc(8)
  out.writeBigUInt64BE(value)
  return out
}

export function sized(bytes: Uint8Array): Buffer {
  return Buffer.concat([u16(bytes.length), bytes])
}

export function encodeAttest(fields: QuoteFields): Buffer {
  const { clock } = fields
  return Buffer.concat([
    u32(fields.magic),
    u16(fields.type),
    sized(fields.qualifiedSigner),
    sized(fields.extraData),
    u64(clock.clock),
    u32(clock.resetCount),
    u32(clock.restartCount),
    Buffer.of(clock.safe ? 1 : 0),
    u64(fields.firmwareVersion),
    writePcrSelection(fields.pcrSelection),
    sized(fields.pcrDigest),
  ])
}

export interface KeyOptions {
  attributes?: number
  /** Hash of the scheme in the public area. */
  hash?: HashAlgorithm
  scheme?: number
}

/**
 * A key outside of any TPM that signs whatever it is told, shaped like an attestation key: what a forger has. That its quotes
 * verify, once it is enrolled, is why enrolment needs credential activation.
 */
export class SoftwareKey {
  readonly ak: EnrolledAk
  readonly #key: KeyObject
  readonly #hash: HashAlgorithm

  constructor({
    attributes = AK_ATTRIBUTES,
    hash: hashName = 'sha256',
    scheme = ALG.ECDSA,
  }: KeyOptions = {}) {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    this.#key = privateKey
    this.#hash = hashName
    const { x = '', y = '' } = publicKey.export({ format: 'jwk' })
    const publicArea = Buffer.concat([
      u16(ALG.ECC, ALG.SHA256),
      u32(attributes),
      u16(0, ALG.NULL, scheme, hashId(hashName), 0x0003, ALG.NULL),
      ...[x, y].map(coordinate => sized(Buffer.from(coordinate, 'base64url'))),
    ])
    this.ak = { publicArea, name: publicAreaName(publicArea) }
  }

  /** A TPMT_SIGNATURE (ECDSA) over any bytes. */
  sign(bytes: Uint8Array, hashName: HashAlgorithm = this.#hash): Buffer {
    const raw = sign(hashName, bytes, { key: this.#key, dsaEncoding: 'ieee-p1363' })
    return Buffer.concat([
      u16(ALG.ECDSA, hashId(hashName)),
      sized(raw.subarray(0, 32)),
      sized(raw.subarray(32)),
    ])
  }

  /** A quote over PCR 0 to 15; PCRs that are not given are zero. */
  quote(pcrs: ReadonlyMap<number, Uint8Array>, over: Partial<QuoteFields> = {}): Quote {
    const values = Array.from({ length: 16 }, (_, pcr) => pcrs.get(pcr) ?? Buffer.alloc(32))
    const attest = encodeAttest({
      magic: TPM_GENERATED,
      type: ST_ATTEST_QUOTE,
      qualifiedSigner: Buffer.from(this.ak.name),
      extraData: Buffer.alloc(32, 0xee),
      clock: CLOCK,
      firmwareVersion: 0x2019_1023_0016_3636n,
      pcrSelection: QUOTED_SELECTION,
      pcrDigest: hash(this.#hash, Buffer.concat(values), 'buffer'),
      ...over,
    })
    return { attest, signature: this.sign(attest) }
  }
}
