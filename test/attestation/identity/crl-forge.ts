import { createPrivateKey, type KeyObject, sign } from 'node:crypto'
import type { Forged } from './certificate-forge.ts'

/** One DER element. */
export function der(tag: number, ...parts: Uint8Array[]): Buffer {
  const content = Buffer.concat(parts)
  const { length: n } = content
  const length = n < 0x80 ? [n] : n < 0x100 ? [0x81, n] : [0x82, n >> 8, n & 0xff]
  return Buffer.concat([Buffer.of(tag, ...length), content])
}
export const seq = (...parts: Uint8Array[]) => der(0x30, ...parts)
export const oid = (hex: string) => der(0x06, Buffer.from(hex, 'hex'))
export const time = (text: string) => der(0x17, Buffer.from(text))
const ECDSA_SHA256 = seq(oid('2a8648ce3d040302'))
export const ECDSA_SHA1 = seq(oid('2a8648ce3d0401'))

export interface CrlFields {
  serials?: string[]
  until?: string | null
  extensions?: Buffer[]
  algorithm?: Buffer
  signer?: KeyObject
}

export async function privateKey({ keys }: Forged): Promise<KeyObject> {
  const pkcs8 = await crypto.subtle.exportKey('pkcs8', keys.privateKey)
  return createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' })
}

/** A revocation list that `issuer` signs. */
export async function crl(
  issuer: Forged,
  { serials = [], until = '270101000000Z', ...f }: CrlFields = {},
): Promise<Buffer> {
  const algorithm = f.algorithm ?? ECDSA_SHA256
  const name = seq(der(0x31, seq(oid('550403'), der(0x0c, Buffer.from(issuer.name.slice(3))))))
  const entries = serials.map(serial => seq(der(0x02, Buffer.from(serial, 'hex')), time('260101000000Z')))
  const tbs = seq(
    ...[der(0x02, Buffer.of(1)), algorithm, name, time('260101000000Z')],
    ...(until === null ? [] : [time(until)]),
    ...(entries.length === 0 ? [] : [seq(...entries)]),
    ...(f.extensions === undefined ? [] : [der(0xa0, seq(...f.extensions))]),
  )
  const hash = algorithm === ECDSA_SHA1 ? 'sha1' : 'sha256'
  const signature = sign(hash, tbs, f.signer ?? (await privateKey(issuer)))
  return seq(tbs, algorithm, der(0x03, Buffer.of(0), signature))
}
