import { execFileSync } from 'node:child_process'
import { createSign } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import {
  generateKey,
  privateKeyToPem,
  readPrivateKey,
  readPublicKey,
  signBytes,
  verifyBytes,
} from '../../signing/key.ts'
import * as world from '../authorization/scenario.ts'
import { codes, decide, payloadDigest } from '../authorization/scenario.ts'

const DATA = Buffer.from('what is signed')
const p256 = generateKey('ecdsa-p256')
const ed25519 = generateKey('ed25519')

/** Order of P-256 (SEC 2 section 2.4.2) and of edwards25519's base point (RFC 8032 section 5.1). */
const N = BigInt('0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551')
const L = 2n ** 252n + 27742317777372353535851937790883648493n

const bigOf = (bytes: Buffer) => BigInt(`0x${bytes.toString('hex') || '0'}`)
const bytesOf = (value: bigint, length = 0) => {
  const hex = value.toString(16)
  return Buffer.from(hex.padStart(Math.max(length * 2, hex.length + (hex.length % 2)), '0'), 'hex')
}
const tlv = (tag: number, content: Buffer) => Buffer.concat([Buffer.of(tag, content.length), content])
const int = (value: bigint, pad = 0) => {
  const bytes = bytesOf(value)
  const sign = (bytes[0] ?? 0) >= 0x80 ? 1 : 0
  return tlv(0x02, Buffer.concat([Buffer.alloc(sign + pad), bytes]))
}

/** r and s of a DER signature. */
function parts(der: Buffer): { r: bigint; s: bigint } {
  const rLength = der[3] ?? 0
  const r = der.subarray(4, 4 + rLength)
  return { r: bigOf(r), s: bigOf(der.subarray(6 + rLength)) }
}

describe('an ECDSA signature', () => {
  const good = signBytes(p256, DATA)
  const { r, s } = parts(good)
  const body = Buffer.concat([int(r), int(s)])

  it('has one spelling of its numbers', () => {
    expect(verifyBytes(p256.public, DATA, tlv(0x30, body))).toBe(true)
  })

  it.each<[string, Buffer]>([
    ['the length in the long form', Buffer.concat([Buffer.of(0x30, 0x81, body.length), body])],
    ['no length (BER, indefinite)', Buffer.concat([Buffer.of(0x30, 0x80), body, Buffer.alloc(2)])],
    ['a zero before r', tlv(0x30, Buffer.concat([int(r, 1), int(s)]))],
    ['a zero before s', tlv(0x30, Buffer.concat([int(r), int(s, 1)]))],
    ['a byte behind it', Buffer.concat([good, Buffer.of(0)])],
    ['a byte within it, behind s', tlv(0x30, Buffer.concat([body, Buffer.of(0)]))],
    [
      's with its length in the long form',
      tlv(0x30, Buffer.concat([int(r), Buffer.of(2, 0x81), int(s).subarray(1)])),
    ],
    ['a set instead of a sequence', tlv(0x31, body)],
    ['r and s as they are', Buffer.concat([bytesOf(r, 32), bytesOf(s, 32)])],
    ['r and s of zero', tlv(0x30, Buffer.concat([int(0n), int(0n)]))],
    ['s beyond the order', tlv(0x30, Buffer.concat([int(r), int(s + N)]))],
    ['r beyond the order', tlv(0x30, Buffer.concat([int(r + N), int(s)]))],
    ['a negative s', tlv(0x30, Buffer.concat([int(r), tlv(2, bytesOf(2n ** 256n - s, 32))]))],
    ['nothing', Buffer.alloc(0)],
    ['zeros', Buffer.alloc(64)],
    ['another hash', createSign('sha384').update(DATA).sign(p256.object)],
  ])('is refused with %s', (_, signature) => {
    expect(verifyBytes(p256.public, DATA, signature)).toBe(false)
  })

  it('can be made again with n - s by anybody; the artifact and its use stay the same', () => {
    const trustRoots = world.trustRoots({
      authorities: [world.authority('release', world.held('bob', world.bob))],
    })
    const one = world.artifact(undefined, [world.bob])
    const other = world.changed(one, it => {
      const [signature] = it.signatures as { sig: string }[]
      const { r, s } = parts(Buffer.from(signature?.sig ?? '', 'base64'))
      const sig = tlv(0x30, Buffer.concat([int(r), int(N - s)])).toString('base64')
      it.signatures = [{ ...signature, sig }]
    })
    expect(other.equals(one)).toBe(false)
    const first = decide({ trustRoots, artifact: one })
    const second = decide({ trustRoots, artifact: other })
    expect([first.outcome, second.outcome]).toEqual(['permit', 'permit'])
    expect(second.use).toEqual(first.use)
    expect(second.artifactDigest).toBe(payloadDigest(one))
    expect(codes(decide({ trustRoots, artifact: other, uses: world.usedBefore(one) }))).toEqual(['REPLAYED'])
  })
})

describe('an Ed25519 signature', () => {
  const good = signBytes(ed25519, DATA)
  const s = bigOf(Buffer.from(good.subarray(32)).reverse())
  const withS = (value: bigint) => Buffer.concat([good.subarray(0, 32), bytesOf(value, 32).reverse()])

  it('is what it is', () => {
    expect(verifyBytes(ed25519.public, DATA, withS(s))).toBe(true)
  })

  it.each<[string, Buffer]>([
    ['S + L', withS(s + L)],
    ['S + 2L', withS(s + 2n * L)],
    ['zeros', Buffer.alloc(64)],
    ['the neutral element and S of zero', Buffer.concat([Buffer.of(1), Buffer.alloc(63)])],
    ['a byte more', Buffer.concat([good, Buffer.of(0)])],
    ['a byte less', good.subarray(0, 63)],
    ['nothing', Buffer.alloc(0)],
  ])('is refused with %s', (_, signature) => {
    expect(verifyBytes(ed25519.public, DATA, signature)).toBe(false)
  })
})

describe('a key', () => {
  it.each([
    ['P-384', 'secp384r1'],
    ['P-521', 'secp521r1'],
    ['secp256k1', 'secp256k1'],
  ])('of the curve %s is refused', (_, curve) => {
    const pem = execFileSync('openssl', ['ecparam', '-name', curve, '-genkey', '-noout'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    const spki = execFileSync('openssl', ['ec', '-pubout', '-outform', 'DER'], { input: pem, stdio: 'pipe' })
    expect(() => readPublicKey(spki)).toThrow(expect.objectContaining({ code: 'KEY_UNSUPPORTED' }))
  })

  it.each(['ed25519', 'ecdsa-p256'] as const)(
    'in a file with a passphrase is behind scrypt, and openssl reads it: %s',
    algorithm => {
      const key = generateKey(algorithm)
      const pem = privateKeyToPem(key, 'a päss phrase')
      expect(readPrivateKey(pem, 'a päss phrase').public.id).toBe(key.public.id)
      expect(() => readPrivateKey(pem, 'a pass phrase')).toThrow(
        expect.objectContaining({ code: 'KEY_MALFORMED' }),
      )
      expect(privateKeyToPem(key, 'a päss phrase')).not.toBe(pem)
      const shown = execFileSync('openssl', ['asn1parse'], { input: pem }).toString()
      expect(shown).toMatch(/PBES2[\s\S]*:scrypt[\s\S]*:4000\n[\s\S]*aes-256-cbc/)
      const clear = execFileSync('openssl', ['pkcs8', '-passin', 'env:PASS'], {
        input: pem,
        env: { ...process.env, PASS: 'a päss phrase' },
      })
      expect(readPrivateKey(clear.toString()).public.id).toBe(key.public.id)
    },
  )
})
