import { hash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import {
  ANY_EVENT_LOG,
  type BankName,
  bankDigest,
  parseEventLog,
  replayAll,
} from '../../attestation/index.ts'
import { EV_IPL, errorOf, event, specId, u16le, u32le } from './tcg-log.ts'

const data = Buffer.from('measured')

const any = (...parts: Buffer[]) => parseEventLog(Buffer.concat(parts), ANY_EVENT_LOG)

describe('banks', () => {
  const bankIds: readonly [BankName, number, number][] = [
    ['sm3_256', 0x12, 32],
    ['sha3_256', 0x27, 32],
    ['sha3_384', 0x28, 48],
    ['sha3_512', 0x29, 64],
  ]
  const declare = (id: number, size: number): Buffer =>
    specId([], {
      data: Buffer.concat([
        Buffer.from('Spec ID Event03\0'),
        u32le(0),
        Buffer.of(0, 2, 0, 2),
        u32le(2),
        ...[u16le(11), u16le(32), u16le(id), u16le(size)],
        Buffer.of(0),
      ]),
    })
  const inBoth = (id: number, digest: Buffer): Buffer =>
    Buffer.concat([
      u32le(4, EV_IPL, 2),
      ...[u16le(11), hash('sha256', data, 'buffer'), u16le(id), digest],
      u32le(data.length),
      data,
    ])

  it.each(bankIds)('%s is replayed', (name, id, size) => {
    const digest = bankDigest(name, data)
    expect(digest.length).toBe(size)
    const log = any(declare(id, size), inBoth(id, digest))
    expect(log.banks).toEqual(['sha256'])
    expect(log.declared[1]).toMatchObject({ name, digestBytes: size, replayable: true })
    const [, replay] = replayAll(log)
    expect(replay?.bank).toBe(name)
    expect(replay?.pcrs.get(4)).toEqual(bankDigest(name, Buffer.concat([Buffer.alloc(size), digest])))
    expect(replay?.events[0]?.dataBound).toBe(true)
  })

  it('one that nobody knows is read by the length that the header gives it, and not replayed', () => {
    const log = any(declare(0x99, 24), inBoth(0x99, Buffer.alloc(24, 7)))
    expect(log.declared[1]).toMatchObject({ name: '0x0099', digestBytes: 24, replayable: false })
    expect(log.events[0]?.digests.get('0x0099')).toEqual(Buffer.alloc(24, 7))
    expect(replayAll(log).map(({ bank }) => bank)).toEqual(['sha256'])
    expect(replayAll(log)[0]?.problems).toEqual([])
  })

  it.each(bankIds)('%s has digests of its own size', (_, id, size) => {
    expect(errorOf(declare(id, size - 4)).code).toBe('EVENT_LOG_SPEC_ID_MALFORMED')
  })

  it('there are at most 16, which is more than any TPM has', () => {
    const declaring = (count: number): Buffer =>
      specId([], {
        data: Buffer.concat([
          Buffer.from('Spec ID Event03\0'),
          u32le(0),
          Buffer.of(0, 2, 0, 2),
          u32le(count),
          ...Array.from({ length: count }, (_, i) => Buffer.concat([u16le(0x100 + i), u16le(4)])),
          Buffer.of(0),
        ]),
      })
    expect(any(declaring(16)).declared.length).toBe(16)
    expect(errorOf(declaring(17), ANY_EVENT_LOG).code).toBe('EVENT_LOG_SPEC_ID_MALFORMED')
  })

  it('a missing digest is an error, or a problem for whoever only looks', () => {
    const both = specId(['sha1', 'sha256'])
    const one = event(4, EV_IPL, data, { banks: ['sha256'] })
    expect(errorOf(Buffer.concat([both, one])).code).toBe('EVENT_LOG_BANK_MISSING')
    const codes = replayAll(any(both, one)).flatMap(({ problems }) => problems.map(({ code }) => code))
    expect(codes).toEqual(['EVENT_LOG_BANK_MISSING', 'EVENT_LOG_BANK_MISSING'])
  })

  it('a caller can say which one it needs', () => {
    const log = Buffer.concat([specId(['sha1']), event(4, EV_IPL, data, { banks: ['sha1'] })])
    expect(errorOf(log, { requiredBank: 'sha256' }).code).toBe('EVENT_LOG_BANK_MISSING')
    expect(parseEventLog(log, { requiredBank: 'sha1' }).events.length).toBe(1)
  })
})

describe('the header', () => {
  const header = (over: {
    errata?: number
    uintnSize?: number
    vendor?: Buffer
    minor?: number
    major?: number
  }) => {
    const { errata = 0, uintnSize = 2, vendor = Buffer.alloc(0), minor = 0, major = 2 } = over
    const body = [Buffer.from('Spec ID Event03\0'), u32le(1), Buffer.of(minor, major, errata, uintnSize)]
    const banks = [u32le(1), u16le(11), u16le(32), Buffer.of(vendor.length), vendor]
    return specId([], { data: Buffer.concat([...body, ...banks]) })
  }

  it('tells versions of the profile apart by the errata, and may say what its vendor likes', () => {
    for (const errata of [0, 2, 105, 106]) {
      const { specId: read } = any(header({ errata, uintnSize: 8, vendor: Buffer.from('deadbeef', 'hex') }))
      expect(read).toMatchObject({ version: { major: 2, minor: 0, errata }, uintnSize: 8, platformClass: 1 })
      expect(read?.vendorInfo.toString('hex')).toBe('deadbeef')
    }
  })

  it('has a digest that nobody extends, so that it may be anything', () => {
    const odd = header({})
    odd.fill(7, 8, 28)
    expect(any(odd, event(4, EV_IPL, data)).events.length).toBe(1)
  })

  it.each([{ major: 1, minor: 2 }, { major: 2, minor: 1 }, { major: 3 }])(
    'has version 2.0, not %o',
    version => {
      expect(errorOf(header(version), ANY_EVENT_LOG).code).toBe('EVENT_LOG_SPEC_ID_MALFORMED')
    },
  )
})
