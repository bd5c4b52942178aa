import { createPublicKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { EnrolledAk, Evidence } from '../../attestation/index.ts'
import { ALG } from '../../attestation/tpm2/structures/index.ts'

/** A boot that real firmware and a real kernel measured; see test/fixtures/hosts/README.md. */
export interface RecordedHost {
  readonly evidence: Evidence & {
    readonly imaLog: Buffer
    readonly userspaceLog: Buffer
    readonly eventLog: Buffer
  }
  readonly expected: { readonly ak: EnrolledAk; readonly extraData: Buffer }
}

const root = new URL('../fixtures/hosts/', import.meta.url)

export function fixture(host: string, file: string): Buffer {
  return readFileSync(fileURLToPath(new URL(`${host}/${file}`, root)))
}

function u16(...values: number[]): Buffer {
  const out = Buffer.alloc(values.length * 2)
  for (const [i, value] of values.entries()) out.writeUInt16BE(value, i * 2)
  return out
}

/** The attributes of the recorded key: what tpm2_createak gives it. */
export const RECORDED_AK_ATTRIBUTES = 0x00050072

/** A TPMT_PUBLIC of a P-256 signing key, as bytes. */
export function eccPublicArea(
  pem: Buffer,
  attributes = RECORDED_AK_ATTRIBUTES,
  scheme: number = ALG.ECDSA,
): Buffer {
  const { x = '', y = '' } = createPublicKey(pem).export({ format: 'jwk' })
  const flags = Buffer.alloc(4)
  flags.writeUInt32BE(attributes)
  const point = [x, y].flatMap(c => [u16(32), Buffer.from(c, 'base64url')])
  return Buffer.concat([
    u16(ALG.ECC, ALG.SHA256),
    flags,
    u16(0, ALG.NULL, scheme, ALG.SHA256, 0x0003, ALG.NULL),
    ...point,
  ])
}

export function recordedHost(host: 'debian13-uki' | 'debian13-uki-secureboot'): RecordedHost {
  return {
    evidence: {
      quote: { attest: fixture(host, 'quote.msg'), signature: fixture(host, 'quote.sig') },
      eventLog: fixture(host, 'eventlog.bin'),
      userspaceLog: fixture(host, 'userspace.jsonseq'),
      imaLog: fixture(host, 'ima.bin'),
    },
    expected: {
      ak: { publicArea: eccPublicArea(fixture(host, 'ak.pem')), name: fixture(host, 'ak.name') },
      extraData: Buffer.from('0011223344556677', 'hex'),
    },
  }
}

/** PCR values as `tpm2_pcrread` printed them, of one bank. */
export function readPcrText(text: string, bank: string): Map<number, string> {
  const [, section = ''] = text.split(new RegExp(`^\\s*${bank}:`, 'm'))
  const values = new Map<number, string>()
  for (const line of section.split('\n').slice(1)) {
    const match = /^\s+(\d+)\s*:\s*0x([0-9A-F]+)/.exec(line)
    if (match === null) break
    values.set(Number(match[1]), (match[2] ?? '').toLowerCase())
  }
  return values
}
