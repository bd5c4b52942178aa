import { constants, generateKeyPairSync, type KeyObject, sign, X509Certificate } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { checkOtherSignatures, parseOtherEnvelope, preAuthenticationEncoding } from '../../signing/dsse.ts'
import { readOtherKey } from '../../signing/other-key.ts'
import { forge } from '../attestation/identity/certificate-forge.ts'

const TYPE = 'application/x'
const payload = Buffer.from([0xfb, 0xff, 0xbe, 1])
const signed = preAuthenticationEncoding(TYPE, payload)
const spki = (key: KeyObject) => key.export({ type: 'spki', format: 'der' })
const code = (code: string) => expect.objectContaining({ code })
const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })

describe('readOtherKey', () => {
  it.each([
    ['P-256', 'sha256'],
    ['P-384', 'sha384'],
    ['P-521', 'sha512'],
  ])('verifies ECDSA on %s, DER or r ‖ s', (namedCurve, hash) => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve })
    const key = readOtherKey(spki(publicKey))
    for (const dsaEncoding of ['der', 'ieee-p1363'] as const) {
      const signature = sign(hash, signed, { key: privateKey, dsaEncoding })
      expect(key.verify(signed, signature)).toBe(true)
      expect(key.verify(payload, signature)).toBe(false)
      expect(key.verify(signed, Buffer.concat([signature, Buffer.alloc(1)]))).toBe(false)
    }
    expect(key.verify(signed, sign('sha1', signed, privateKey))).toBe(false)
  })

  it('verifies RSA with either padding, with SHA-256 only', () => {
    const key = readOtherKey(rsa.publicKey.export({ type: 'spki', format: 'pem' }).toString())
    const pss = { key: rsa.privateKey, padding: constants.RSA_PKCS1_PSS_PADDING }
    expect(key.verify(signed, sign('sha256', signed, rsa.privateKey))).toBe(true)
    expect(key.verify(signed, sign('sha256', signed, pss))).toBe(true)
    expect(key.verify(signed, sign('sha1', signed, rsa.privateKey))).toBe(false)
    expect(key.verify(payload, sign('sha256', signed, pss))).toBe(false)
  })

  it('refuses short RSA keys, other kinds, and text that is not one public key', () => {
    const short = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey
    expect(() => readOtherKey(spki(short))).toThrow(code('KEY_WEAK'))
    expect(() => readOtherKey(spki(generateKeyPairSync('x25519').publicKey))).toThrow(code('KEY_UNSUPPORTED'))
    expect(() => readOtherKey('no key')).toThrow(code('KEY_MALFORMED'))
    const pem = rsa.publicKey.export({ type: 'spki', format: 'pem' }).toString()
    expect(() => readOtherKey(pem + pem)).toThrow(code('KEY_MALFORMED'))
  })

  it('takes the key of a certificate', async () => {
    const pem = (der: Buffer, end = 'CERTIFICATE') =>
      `-----BEGIN CERTIFICATE-----\n${der.toString('base64')}\n-----END ${end}-----\n`
    const { der } = await forge({})
    const { publicKey } = new X509Certificate(der)
    expect(readOtherKey(pem(der)).id).toBe(readOtherKey(spki(publicKey)).id)
    expect(() => readOtherKey(pem(der, 'PUBLIC KEY'))).toThrow(code('KEY_MALFORMED'))
    expect(() => readOtherKey(pem(spki(publicKey)))).toThrow(code('KEY_MALFORMED'))
  })

  it('gives one id to one key, however its point is spelt', () => {
    const whole = spki(p256.publicKey)
    const point = whole.subarray(-65)
    const compressed = Buffer.concat([
      Buffer.from('3039301306072a8648ce3d020106082a8648ce3d030107032200', 'hex'),
      Buffer.of(2 + ((point.at(-1) ?? 0) & 1)),
      point.subarray(1, 33),
    ])
    expect(readOtherKey(compressed).id).toBe(readOtherKey(whole).id)
  })
})

describe('parseOtherEnvelope', () => {
  const sig = sign('sha256', signed, p256.privateKey)
  const envelope = (over: object) =>
    Buffer.from(
      JSON.stringify({
        payloadType: TYPE,
        payload: payload.toString('base64'),
        signatures: [{ keyid: 'hint', sig: sig.toString('base64') }],
        ...over,
      }),
    )
  const met = (bytes: Buffer, threshold = 1, keys = [readOtherKey(spki(p256.publicKey))]) =>
    checkOtherSignatures(parseOtherEnvelope(bytes), keys, threshold).met

  it('reads what any producer may write', () => {
    expect(met(envelope({}))).toBe(true)
    expect(met(envelope({ payload: payload.toString('base64url') }))).toBe(true)
    expect(
      met(envelope({ payload: payload.toString('base64').replaceAll('+', '-').replaceAll('/', '_') })),
    ).toBe(true)
    expect(
      met(envelope({ extension: { a: 1 }, signatures: [{ sig: sig.toString('base64'), cert: 'x' }] })),
    ).toBe(true)
  })

  it.each([
    ['a signature that is not text', { signatures: [{ sig: 7 }] }],
    ['no payload', { payload: undefined }],
    ['both alphabets in one text', { payload: '-/+_' }],
    ['white space in base64', { payload: '+/++ AQ==' }],
    ['unused bits', { payload: '+/++AR==' }],
    ['too many signatures', { signatures: Array.from({ length: 129 }, () => ({ sig: 'AAAA' })) }],
  ])('refuses %s', (_, over) => {
    expect(() => parseOtherEnvelope(envelope(over))).toThrow(code('ENVELOPE_MALFORMED'))
  })

  it('refuses a key a second time in the JSON', () => {
    const twice = Buffer.from(envelope({}).toString().replace('{', '{"payload":"AAAA",'))
    expect(() => parseOtherEnvelope(twice)).toThrow(code('ENVELOPE_MALFORMED'))
  })

  it('counts keys, not signatures', () => {
    const one = readOtherKey(spki(p256.publicKey))
    const other = readOtherKey(spki(rsa.publicKey))
    const twice = envelope({ signatures: [{ sig: sig.toString('base64') }, { sig: sig.toString('base64') }] })
    expect(met(twice, 2, [one, other])).toBe(false)
    expect(() => met(twice, 2, [one, one])).toThrow(code('THRESHOLD_INVALID'))
    expect(() => met(twice, 0, [one])).toThrow(code('THRESHOLD_INVALID'))
  })
})
