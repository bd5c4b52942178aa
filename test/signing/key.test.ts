import { createPrivateKey, createPublicKey, generateKeyPairSync, sign } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { sha256Hex } from '../../encoding/digest.ts'
import { SigningError } from '../../signing/error.ts'
import {
  generateKey,
  privateKeyToPem,
  publicKeyToPem,
  readPrivateKey,
  readPublicKey,
  signBytes,
  verifyBytes,
} from '../../signing/key.ts'

const code = (value: string) => expect.objectContaining({ name: 'SigningError', code: value })
const data = Buffer.from('to be signed')

/** SubjectPublicKeyInfo of an Ed25519 point (RFC 8410 section 4). */
const ed25519Spki = (point: string) => Buffer.from(`302a300506032b6570032100${point}`, 'hex')
/** SubjectPublicKeyInfo of a P-256 point as it stands. */
const p256Spki = (point: Buffer) => {
  const algorithm = Buffer.from('301306072a8648ce3d020106082a8648ce3d030107', 'hex')
  const bits = Buffer.concat([Buffer.from([0x03, point.length + 1, 0]), point])
  return Buffer.concat([Buffer.from([0x30, algorithm.length + bits.length]), algorithm, bits])
}

describe.each(['ed25519', 'ecdsa-p256'] as const)('a key of %s', algorithm => {
  it('is named by the digest of its SubjectPublicKeyInfo, through every form', () => {
    const key = generateKey(algorithm)
    expect(key.public.id).toBe(sha256Hex(key.public.spki))
    expect(readPublicKey(publicKeyToPem(key.public)).id).toBe(key.public.id)
    expect(readPublicKey(key.public.spki)).toMatchObject({ id: key.public.id, algorithm })
    expect(readPrivateKey(privateKeyToPem(key)).public.id).toBe(key.public.id)
    const encrypted = privateKeyToPem(key, 'pass')
    expect(encrypted).toContain('ENCRYPTED')
    expect(readPrivateKey(encrypted, 'pass').public.id).toBe(key.public.id)
    expect(() => readPrivateKey(encrypted, 'other')).toThrow(code('KEY_MALFORMED'))
    expect(() => readPrivateKey(encrypted)).toThrow(code('KEY_MALFORMED'))
  })

  it('verifies what it signed, and nothing else', () => {
    const key = generateKey(algorithm)
    const signature = signBytes(key, data)
    expect(verifyBytes(key.public, data, signature)).toBe(true)
    expect(verifyBytes(generateKey(algorithm).public, data, signature)).toBe(false)
    expect(verifyBytes(key.public, Buffer.from('another'), signature)).toBe(false)
    for (let i = 0; i < signature.length; i++) {
      const flipped = Buffer.from(signature)
      flipped.writeUInt8(flipped.readUInt8(i) ^ (1 << (i % 8)), i)
      expect(verifyBytes(key.public, data, flipped), `byte ${i}`).toBe(false)
    }
    for (const bad of [Buffer.alloc(0), signature.subarray(1), Buffer.concat([signature, Buffer.of(0)])]) {
      expect(verifyBytes(key.public, data, bad)).toBe(false)
    }
  })

  it('gives false, and no error, for any bytes as a signature', () => {
    const key = generateKey(algorithm)
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), bytes => !verifyBytes(key.public, data, bytes)),
      { numRuns: 200 },
    )
  })
})

describe('Ed25519', () => {
  it('gives the signature of RFC 8032 section 7.1, test 2', () => {
    const seed = '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb'
    const pkcs8 = Buffer.from(`302e020100300506032b657004220420${seed}`, 'hex')
    const pem = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' }).export({
      type: 'pkcs8',
      format: 'pem',
    })
    expect(signBytes(readPrivateKey(pem.toString()), Buffer.from([0x72])).toString('hex')).toBe(
      '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da' +
        '085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
    )
  })

  it.each([
    '0000000000000000000000000000000000000000000000000000000000000000',
    '0000000000000000000000000000000000000000000000000000000000000080',
    '0100000000000000000000000000000000000000000000000000000000000000',
    '0100000000000000000000000000000000000000000000000000000000000080',
    '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
    '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85',
    'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
    'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa',
    'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
    'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
    'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
  ])('refuses the small-order point %s', point => {
    expect(() => readPublicKey(ed25519Spki(point))).toThrow(code('KEY_WEAK'))
  })

  it('refuses a second spelling of a point: y not below p', () => {
    // p + 3 and the largest that 255 bits hold.
    for (const first of ['f0', 'ff']) {
      const point = `${first}${'ff'.repeat(30)}7f`
      expect(() => readPublicKey(ed25519Spki(point))).toThrow(code('KEY_MALFORMED'))
    }
  })

  it('refuses the signature with S + L, which says the same with other bytes', () => {
    const L = 2n ** 252n + 27742317777372353535851937790883648493n
    const key = generateKey('ed25519')
    const signature = signBytes(key, data)
    const s = BigInt(`0x${Buffer.from(signature.subarray(32)).reverse().toString('hex')}`) + L
    const moved = Buffer.from(s.toString(16).padStart(64, '0'), 'hex').reverse()
    expect(verifyBytes(key.public, data, Buffer.concat([signature.subarray(0, 32), moved]))).toBe(false)
  })
})

describe('P-256', () => {
  const pair = () => generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const point = (spki: Buffer) => spki.subarray(-65)

  it('refuses second spellings of a key, so that one key has one id', () => {
    const spki = pair().publicKey.export({ type: 'spki', format: 'der' })
    const even = (point(spki).readUInt8(64) & 1) === 0
    const x = point(spki).subarray(1, 33)
    const compressed = Buffer.concat([Buffer.of(even ? 2 : 3), x])
    const hybrid = Buffer.concat([Buffer.of(even ? 6 : 7), point(spki).subarray(1)])
    expect(readPublicKey(p256Spki(point(spki))).spki).toEqual(spki)
    for (const other of [compressed, hybrid])
      expect(() => readPublicKey(p256Spki(other))).toThrow(SigningError)
  })

  it('refuses a point off the curve, and the point at infinity', () => {
    const off = Buffer.from(point(pair().publicKey.export({ type: 'spki', format: 'der' })))
    off.writeUInt8(off.readUInt8(64) ^ 1, 64)
    expect(() => readPublicKey(p256Spki(off))).toThrow(code('KEY_MALFORMED'))
    expect(() => readPublicKey(p256Spki(Buffer.of(0)))).toThrow(SigningError)
  })

  it('takes the twin (r, n-s) of a signature: what was signed is told by the payload, never by the signature', () => {
    const N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n
    const { privateKey, publicKey } = pair()
    const key = readPublicKey(publicKey.export({ type: 'spki', format: 'der' }))
    const raw = sign('sha256', data, { key: privateKey, dsaEncoding: 'ieee-p1363' })
    const integer = (value: bigint) => {
      const hex = value.toString(16)
      const bytes = Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex')
      const unsigned = bytes.readUInt8() & 0x80 ? Buffer.concat([Buffer.of(0), bytes]) : bytes
      return Buffer.concat([Buffer.from([0x02, unsigned.length]), unsigned])
    }
    const [r, s] = [raw.subarray(0, 32), raw.subarray(32)].map(half => BigInt(`0x${half.toString('hex')}`))
    const twin = (value: bigint) => {
      const body = Buffer.concat([integer(r ?? 0n), integer(value)])
      return Buffer.concat([Buffer.from([0x30, body.length]), body])
    }
    expect(verifyBytes(key, data, twin(s ?? 0n))).toBe(true)
    expect(verifyBytes(key, data, twin(N - (s ?? 0n)))).toBe(true)
    expect(verifyBytes(key, data, twin(N + (s ?? 0n)))).toBe(false)
  })

  it('takes only DER signatures over SHA-256', () => {
    const { privateKey, publicKey } = pair()
    const key = readPublicKey(publicKey.export({ type: 'spki', format: 'der' }))
    expect(verifyBytes(key, data, sign('sha256', data, privateKey))).toBe(true)
    expect(verifyBytes(key, data, sign('sha384', data, privateKey))).toBe(false)
    expect(verifyBytes(key, data, sign('sha256', data, { key: privateKey, dsaEncoding: 'ieee-p1363' }))).toBe(
      false,
    )
    // r and s of zero (FIPS 186-5 section 6.4.2, step 1), and integers with a needless zero in front.
    expect(verifyBytes(key, data, Buffer.from('3006020100020100', 'hex'))).toBe(false)
    const der = sign('sha256', data, privateKey)
    const rLength = der.readUInt8(3)
    const padded = Buffer.concat([
      Buffer.from([0x30, der.readUInt8(1) + 1, 0x02, rLength + 1, 0]),
      der.subarray(4),
    ])
    expect(verifyBytes(key, data, padded)).toBe(false)
  })
})

describe('readPublicKey', () => {
  const good = generateKey('ed25519')
  const pem = publicKeyToPem(good.public)

  it.each([
    ['a private key', privateKeyToPem(good), 'KEY_MALFORMED'],
    ['two keys', pem + pem, 'KEY_MALFORMED'],
    ['text before it', `x\n${pem}`, 'KEY_MALFORMED'],
    ['a certificate label', pem.replaceAll('PUBLIC KEY', 'CERTIFICATE'), 'KEY_MALFORMED'],
    ['nothing', '', 'KEY_MALFORMED'],
    ['no bytes', new Uint8Array(0), 'KEY_MALFORMED'],
    ['bytes behind it', Buffer.concat([good.public.spki, Buffer.of(0)]), 'KEY_MALFORMED'],
    ['a cut key', good.public.spki.subarray(0, -1), 'KEY_MALFORMED'],
    ['RSA', spki(generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey), 'KEY_UNSUPPORTED'],
    ['P-384', spki(generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey), 'KEY_UNSUPPORTED'],
    ['secp256k1', spki(generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey), 'KEY_UNSUPPORTED'],
    ['X25519', spki(generateKeyPairSync('x25519').publicKey), 'KEY_UNSUPPORTED'],
    ['Ed448', spki(generateKeyPairSync('ed448').publicKey), 'KEY_UNSUPPORTED'],
  ])('refuses %s', (_, key, expected) => {
    expect(() => readPublicKey(key)).toThrow(code(expected))
  })

  it('allows white space around PEM', () => {
    expect(readPublicKey(`\n ${pem}\r\n`).id).toBe(good.public.id)
  })

  it('gives only its own errors for any bytes', () => {
    const near = fc.tuple(fc.nat(good.public.spki.length - 1), fc.nat(255)).map(([i, value]) => {
      const bytes = Buffer.from(good.public.spki)
      bytes.writeUInt8(value, i)
      return bytes
    })
    fc.assert(
      fc.property(fc.oneof(near, fc.uint8Array({ maxLength: 100 })), bytes => {
        try {
          expect(createPublicKey(publicKeyToPem(readPublicKey(bytes))).type).toBe('public')
        } catch (error) {
          expect(error).toBeInstanceOf(SigningError)
        }
      }),
      { numRuns: 500 },
    )
  })

  function spki(key: ReturnType<typeof createPublicKey>): Buffer {
    return key.export({ type: 'spki', format: 'der' })
  }
})

describe('readPrivateKey', () => {
  it('refuses what is not a supported private key', () => {
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
    const pem = rsa.export({ type: 'pkcs8', format: 'pem' }).toString()
    expect(() => readPrivateKey(pem)).toThrow(code('KEY_UNSUPPORTED'))
    expect(() => readPrivateKey(publicKeyToPem(generateKey('ed25519').public))).toThrow(code('KEY_MALFORMED'))
    expect(() => readPrivateKey('')).toThrow(code('KEY_MALFORMED'))
  })
})
