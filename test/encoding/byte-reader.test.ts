import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ByteReader } from '../../encoding/byte-reader.ts'
import { EncodingError } from '../../encoding/error.ts'

const reader = (hex: string) => new ByteReader(Buffer.from(hex, 'hex'), 'TEST')

describe('ByteReader', () => {
  it('reads integers of both byte orders', () => {
    const r = reader(
      '01' + '0203' + '04050607' + '08090a0b0c0d0e0f' + '0302' + '07060504' + '0f0e0d0c0b0a0908',
    )
    expect([r.u8('a'), r.u16be('b'), r.u32be('c'), r.u64be('d')]).toEqual([
      1,
      0x0203,
      0x04050607,
      0x08090a0b0c0d0e0fn,
    ])
    expect([r.u16le('e'), r.u32le('f'), r.u64le('g')]).toEqual([0x0203, 0x04050607, 0x08090a0b0c0d0e0fn])
    expect([r.offset, r.remaining]).toEqual([29, 0])
    r.end()
  })

  it('reads the largest values without loss', () => {
    expect(reader('ffffffff').u32be('x')).toBe(4294967295)
    expect(reader('ffffffffffffffff').u64le('x')).toBe(2n ** 64n - 1n)
  })

  it('gives views and starts where a view starts', () => {
    const whole = Buffer.from('00112233', 'hex')
    const r = new ByteReader(whole.subarray(1), 'TEST')
    const view = r.bytes(2, 'x')
    whole.writeUInt8(0xee, 1)
    expect(view.toString('hex')).toBe('ee22')
  })

  it('never reads past the end, whatever a length says, and says what was missing', () => {
    expect(() => reader('ffff00').sized16be('name')).toThrow(
      expect.objectContaining({ code: 'TRUNCATED', at: 'name@2', message: expect.stringContaining('TEST') }),
    )
    expect(() => reader('').u8('x')).toThrow(EncodingError)
    expect(() => reader('00').bytes(2 ** 32, 'x')).toThrow(EncodingError)
  })

  it('does not move when a read fails', () => {
    const r = reader('0001')
    expect(() => r.u32be('x')).toThrow(EncodingError)
    expect(r.u16be('x')).toBe(1)
  })

  it('refuses bytes behind the end', () => {
    expect(() => reader('00').end()).toThrow(expect.objectContaining({ code: 'TRAILING_BYTES' }))
  })

  it('accounts for every byte on any input', () => {
    const READS = ['u8', 'u16be', 'u32be', 'u64be', 'u16le', 'u32le', 'u64le', 'sized16be'] as const
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.array(fc.constantFrom(...READS)), (bytes, reads) => {
        const r = new ByteReader(bytes, 'TEST')
        for (const read of reads) {
          try {
            r[read]('x')
          } catch (error) {
            expect(error).toBeInstanceOf(EncodingError)
          }
          expect(r.offset + r.remaining).toBe(bytes.length)
        }
      }),
      { numRuns: 500 },
    )
  })
})
