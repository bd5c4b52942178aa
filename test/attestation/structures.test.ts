import { createPublicKey, generateKeyPairSync, sign } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import {
  ALG,
  hasAttributes,
  isName,
  parsePublicArea,
  parseQuoteAttest,
  parseSignature,
  publicAreaFromSized,
  publicAreaKey,
  publicAreaName,
  QUOTED_SELECTION,
  StructureError,
  sameSelection,
  verifySignature,
  writePcrSelection,
} from '../../attestation/tpm2/structures/index.ts'
import { EncodingError } from '../../encoding/error.ts'
import { eccPublicArea, fixture } from './recorded-host.ts'
import { SoftwareKey, sized, u16, u32 } from './software-quote.ts'

const pem = fixture('debian13-uki', 'ak.pem')

describe('a public area', () => {
  it('of the recorded key has the Name that the TPM gave it, and its key', () => {
    const bytes = eccPublicArea(pem)
    const area = parsePublicArea(bytes)
    expect(publicAreaName(bytes)).toEqual(fixture('debian13-uki', 'ak.name'))
    expect(publicAreaKey(area).equals(createPublicKey(pem))).toBe(true)
    expect(hasAttributes(area, ['fixedTPM', 'restricted', 'sign'], ['decrypt', 'noDA'])).toBe(true)
    expect(hasAttributes(area, ['noDA'])).toBe(false)
  })

  it('changes its Name with any of its bytes', () => {
    const bytes = eccPublicArea(pem)
    const name = publicAreaName(bytes)
    for (const at of [7, 20, bytes.length - 1]) {
      const changed = Buffer.from(bytes)
      changed[at] = (changed[at] ?? 0) ^ 1
      expect(publicAreaName(changed)).not.toEqual(name)
    }
  })

  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const { n = '' } = rsa.publicKey.export({ format: 'jwk' })
  const modulus = Buffer.from(n, 'base64url')
  const rsaArea = (scheme: Buffer, unique: Buffer = modulus, symmetric = u16(ALG.NULL)): Buffer =>
    Buffer.concat([
      u16(ALG.RSA, ALG.SHA256),
      u32(0x50072),
      u16(0),
      symmetric,
      scheme,
      u16(2048),
      u32(0),
      sized(unique),
    ])

  it.each([
    ['RSASSA', u16(ALG.RSASSA, ALG.SHA256), ALG.RSASSA],
    ['RSAPSS', u16(ALG.RSAPSS, ALG.SHA256), ALG.RSAPSS],
    ['RSAES', u16(ALG.RSAES), ALG.RSAES],
    ['no scheme', u16(ALG.NULL), undefined],
  ])('of an RSA key with %s', (_, scheme, algorithm) => {
    const area = parsePublicArea(rsaArea(scheme))
    expect(area.scheme?.algorithm).toBe(algorithm)
    expect(publicAreaKey(area).equals(rsa.publicKey)).toBe(true)
    expect(area).toMatchObject({ type: 'rsa', keyBits: 2048, exponent: 65537 })
  })

  it('of a storage key has a symmetric part', () => {
    const area = parsePublicArea(rsaArea(u16(ALG.NULL), modulus, u16(ALG.AES, 128, ALG.CFB)))
    expect(area.symmetric).toEqual({ algorithm: ALG.AES, keyBits: 128, mode: ALG.CFB })
  })

  it('is refused with bytes after it, another modulus size, an unknown type or hash, or a curve or point it does not have', () => {
    const good = eccPublicArea(pem)
    expect(() => parsePublicArea(Buffer.concat([good, Buffer.of(0)]))).toThrow(EncodingError)
    expect(() => parsePublicArea(rsaArea(u16(ALG.NULL), modulus.subarray(1)))).toThrow(StructureError)
    const patched = (at: number, value: number): Buffer => {
      const bytes = Buffer.from(good)
      bytes.writeUInt16BE(value, at)
      return bytes
    }
    expect(() => parsePublicArea(patched(0, ALG.KEYEDHASH))).toThrow(StructureError)
    expect(() => parsePublicArea(patched(2, ALG.SM3_256))).toThrow(StructureError)
    expect(() => parsePublicArea(patched(16, 0x0010))).toThrow(StructureError)
    const off = Buffer.from(good)
    off[off.length - 1] = (off.at(-1) ?? 0) ^ 1
    expect(() => publicAreaKey(parsePublicArea(off))).toThrow(StructureError)
    for (let end = 0; end < good.length; end++)
      expect(() => parsePublicArea(good.subarray(0, end))).toThrow(EncodingError)
  })

  it('comes out of a TPM2B_PUBLIC', () => {
    expect(publicAreaFromSized(sized(eccPublicArea(pem)))).toEqual(eccPublicArea(pem))
    expect(() => publicAreaFromSized(Buffer.concat([sized(eccPublicArea(pem)), Buffer.of(0)]))).toThrow(
      EncodingError,
    )
  })

  it('isName takes Names only', () => {
    expect(isName(fixture('debian13-uki', 'ak.name'))).toBe(true)
    expect(isName(fixture('debian13-uki', 'ak.name').subarray(0, 33))).toBe(false)
    expect(isName(Buffer.of(0x40, 0, 0, 7))).toBe(false)
    expect(isName(Buffer.alloc(0))).toBe(false)
  })

  it('verifies RSASSA and RSAPSS by its key, and by no other scheme', () => {
    const data = Buffer.from('quote')
    const signature = sign('sha256', data, rsa.privateKey)
    const parsed = parseSignature(Buffer.concat([u16(ALG.RSASSA, ALG.SHA256), sized(signature)]))
    expect(verifySignature(rsa.publicKey, data, parsed)).toBe(true)
    const asPss = parseSignature(Buffer.concat([u16(ALG.RSAPSS, ALG.SHA256), sized(signature)]))
    expect(verifySignature(rsa.publicKey, data, asPss)).toBe(false)
    const pss = sign('sha256', data, { key: rsa.privateKey, padding: 6, saltLength: 32 })
    expect(
      verifySignature(
        rsa.publicKey,
        data,
        parseSignature(Buffer.concat([u16(ALG.RSAPSS, ALG.SHA256), sized(pss)])),
      ),
    ).toBe(true)
    expect(verifySignature(createPublicKey(pem), data, parsed)).toBe(false)
  })
})

describe('an ECDSA signature', () => {
  it('may leave out leading zeros', () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const trimmed = (b: Buffer): Buffer => b.subarray(b.findIndex(byte => byte !== 0))
    for (let i = 0; i < 100_000; i++) {
      const data = Buffer.from(`${i}`)
      const raw = sign('sha256', data, { key: privateKey, dsaEncoding: 'ieee-p1363' })
      if (raw[0] !== 0) continue
      const r = trimmed(raw.subarray(0, 32))
      expect(r.length).toBeLessThan(32)
      const signature = Buffer.concat([u16(ALG.ECDSA, ALG.SHA256), sized(r), sized(raw.subarray(32))])
      expect(verifySignature(publicKey, data, parseSignature(signature))).toBe(true)
      const long = Buffer.concat([
        u16(ALG.ECDSA, ALG.SHA256),
        sized(Buffer.concat([Buffer.alloc(33), r])),
        sized(raw.subarray(32)),
      ])
      expect(verifySignature(publicKey, data, parseSignature(long))).toBe(false)
      return
    }
    throw new Error('no signature with a leading zero in 100,000')
  })

  it('of an unknown scheme or hash is refused', () => {
    expect(() => parseSignature(u16(ALG.HMAC, ALG.SHA256))).toThrow(StructureError)
    expect(() => parseSignature(u16(ALG.ECDSA, ALG.SM3_256, 0, 0))).toThrow(StructureError)
  })
})

describe('a PCR selection', () => {
  it('of PCR 0 to 15 is what the recorded quote has', () => {
    const { pcrSelection, pcrDigest } = parseQuoteAttest(fixture('debian13-uki', 'quote.msg'))
    expect(sameSelection(pcrSelection, QUOTED_SELECTION)).toBe(true)
    expect(writePcrSelection(QUOTED_SELECTION).toString('hex')).toBe('00000001000b03ffff00')
    expect(pcrDigest).toHaveLength(32)
  })

  it('of nothing equals nothing', () => {
    expect(sameSelection([], [])).toBe(false)
    expect(sameSelection([{ bank: 11, pcrs: [] }], [{ bank: 11, pcrs: [] }])).toBe(false)
  })

  it('is bounded', () => {
    const attest = (selection: Buffer): Buffer => {
      const whole = Buffer.from(new SoftwareKey().quote(new Map()).attest)
      const at = whole.length - 34 - writePcrSelection(QUOTED_SELECTION).length
      return Buffer.concat([whole.subarray(0, at), selection, whole.subarray(-34)])
    }
    expect(() => parseQuoteAttest(attest(writePcrSelection(QUOTED_SELECTION)))).not.toThrow()
    expect(() => parseQuoteAttest(attest(u32(0xffffffff)))).toThrow(StructureError)
    expect(() => parseQuoteAttest(attest(Buffer.concat([u32(1), u16(11), Buffer.of(255)])))).toThrow(
      StructureError,
    )
    expect(() => writePcrSelection([{ bank: 11, pcrs: [24] }])).toThrow(RangeError)
  })
})
