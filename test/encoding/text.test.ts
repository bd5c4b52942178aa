import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { sha256, sha256Hex } from '../../encoding/digest.ts'
import { EncodingError } from '../../encoding/error.ts'
import { base64ToBytes, hexToBytes, utf8ToString } from '../../encoding/text.ts'

const code = (value: string) => expect.objectContaining({ name: 'EncodingError', code: value })

describe('hexToBytes', () => {
  it('reads lower-case pairs', () => {
    expect(hexToBytes('')).toEqual(Buffer.alloc(0))
    expect(hexToBytes('00ff7f')).toEqual(Buffer.from([0, 255, 127]))
  })
  it.each(['0', 'FF', 'fg', '0x00', ' 00', '00 ', '00\n', '0000zz'])('refuses %j', text => {
    expect(() => hexToBytes(text, 'digest')).toThrow(code('BAD_HEX'))
  })
})

describe('base64ToBytes', () => {
  it('reads RFC 4648 section 10', () => {
    const vectors = {
      '': '',
      f: 'Zg==',
      fo: 'Zm8=',
      foo: 'Zm9v',
      foob: 'Zm9vYg==',
      fooba: 'Zm9vYmE=',
      foobar: 'Zm9vYmFy',
    }
    for (const [bytes, text] of Object.entries(vectors))
      expect(base64ToBytes(text)).toEqual(Buffer.from(bytes))
    expect(base64ToBytes('+/+/')).toEqual(Buffer.from('fbffbf', 'hex'))
  })
  it.each([
    ['no padding', 'Zg'],
    ['short padding', 'Zg='],
    ['too much padding', 'Zm9v===='],
    ['padding inside', 'Zg==Zg=='],
    ['URL-safe letters', '-_-_'],
    ['white space', 'Zm9v\n'],
    ['white space inside', 'Zm 9v'],
    ['other letters', 'Zm9*'],
    ['unused bits set', 'Zh=='],
    ['unused bits set', 'Zm9='],
    ['one letter', 'Z'],
  ])('refuses %s', (_, text) => {
    expect(() => base64ToBytes(text, 'sig')).toThrow(code('BAD_BASE64'))
  })
})

describe('utf8ToString', () => {
  it('replaces nothing', () => {
    expect(utf8ToString(Buffer.from('aé€😀'))).toBe('aé€😀')
    for (const hex of ['ff', 'c080', 'eda080', 'f4908080', 'e282']) {
      expect(() => utf8ToString(Buffer.from(hex, 'hex'))).toThrow(code('BAD_UTF8'))
    }
    expect(() => utf8ToString(Buffer.from('efbbbf61', 'hex'))).toThrow(code('BAD_UTF8'))
    // Only at the start is it a mark of byte order.
    expect(utf8ToString(Buffer.from('61efbbbf', 'hex'))).toBe('a\ufeff')
  })
})

describe('text encodings', () => {
  it('have exactly one text for any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), bytes => {
        const buffer = Buffer.from(bytes)
        expect(hexToBytes(buffer.toString('hex'))).toEqual(buffer)
        expect(base64ToBytes(buffer.toString('base64'))).toEqual(buffer)
      }),
    )
  })
  it('take no other text', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ maxLength: 12 }), fc.base64String()), text => {
        for (const [decode, encoding] of [
          [hexToBytes, 'hex'],
          [base64ToBytes, 'base64'],
        ] as const) {
          try {
            expect(decode(text).toString(encoding)).toBe(text)
          } catch (error) {
            expect(error).toBeInstanceOf(EncodingError)
          }
        }
      }),
      { numRuns: 500 },
    )
  })
})

describe('sha256', () => {
  it('gives the digests of FIPS 180-4', () => {
    const abc = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
    expect(sha256Hex(Buffer.from('abc'))).toBe(abc)
    expect(sha256(Buffer.from('abc')).toString('hex')).toBe(abc)
    expect(sha256Hex(new Uint8Array(0))).toBe(
      'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    )
  })
})
