import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  hash,
  type KeyObject,
  sign,
} from 'node:crypto'
import type { EnrolledAk, Quote } from '../../../attestation/index.ts'

function u16(value: number): Buffer {
  return Buffer.of(value >> 8, value & 0xff)
}

function sized(bytes: Buffer): Buffer {
  return Buffer.concat([u16(bytes.length), bytes])
}

/**
 * A key that signs like a TPM's attestation key, in software: what a verifier cannot tell from a TPM without enrolment. For tests in
 * which the TPM is not what is tested and hundreds of signatures are needed.
 */
export class SoftwareAk {
  readonly ak: EnrolledAk
  /** How often it signed, and what. */
  readonly signed: Buffer[] = []
  /** What its next quote says. */
  state = {
    magic: 'ff544347',
    clock: 1000n,
    resetCount: 2,
    restartCount: 1,
    safe: true,
    firmware: '2019102300163636',
    selection: '00000001000b03ffff00',
    pcrs: Array.from({ length: 16 }, (): Buffer => Buffer.alloc(32)),
  }

  readonly #key: KeyObject

  /** @param pem the key of another process's, as {@link pem} gave it; without one, a new one */
  constructor(pem?: string) {
    this.#key =
      pem === undefined
        ? generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
        : createPrivateKey(pem)
    const { x, y } = createPublicKey(this.#key).export({ format: 'jwk' })
    // TPMT_PUBLIC (TPM 2.0 Part 2, section 12.2.4): ECC P-256, ECDSA SHA-256, restricted signing, fixedTPM.
    const publicArea = Buffer.concat([
      Buffer.from('0023000b', 'hex'),
      Buffer.from('00050472', 'hex'),
      u16(0),
      Buffer.from('00100018000b00030010', 'hex'),
      sized(Buffer.from(x ?? '', 'base64url')),
      sized(Buffer.from(y ?? '', 'base64url')),
    ])
    this.ak = { publicArea, name: Buffer.concat([u16(0x000b), hash('sha256', publicArea, 'buffer')]) }
  }

  /** The private key. */
  get pem(): string {
    return this.#key.export({ type: 'pkcs8', format: 'pem' }).toString()
  }

  /** A quote over sha256 PCR 0–15, at the `state` of the moment. */
  quote(extraData: Buffer): Quote {
    this.signed.push(extraData)
    const { magic, clock, resetCount, restartCount, safe, firmware, selection } = this.state
    const pcrs = hash('sha256', Buffer.concat(this.state.pcrs), 'buffer')
    const numbers = Buffer.alloc(16)
    numbers.writeBigUInt64BE(clock)
    numbers.writeUInt32BE(resetCount, 8)
    numbers.writeUInt32BE(restartCount, 12)
    // TPMS_ATTEST (TPM 2.0 Part 2, section 10.12.12).
    const attest = Buffer.concat([
      Buffer.from(`${magic}8018`, 'hex'),
      sized(Buffer.concat([u16(0x000b), Buffer.alloc(32, 7)])),
      sized(extraData),
      numbers,
      Buffer.of(safe ? 1 : 0),
      Buffer.from(firmware, 'hex'),
      Buffer.from(selection, 'hex'),
      sized(pcrs),
    ])
    const raw = sign('sha256', attest, { key: this.#key, dsaEncoding: 'ieee-p1363' })
    const signature = Buffer.concat([
      Buffer.from('0018000b', 'hex'),
      sized(raw.subarray(0, 32)),
      sized(raw.subarray(32)),
    ])
    return { attest, signature }
  }
}
