import { hash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { type BankName, judgeEventLog, parseEventLog } from '../../attestation/index.ts'
import { codes, data, digest, honest, of, parse, quote, ZERO } from './quoted-log.ts'
import { fixture, readPcrText } from './recorded-host.ts'
import {
  EV_EFI_ACTION,
  EV_EFI_VARIABLE_AUTHORITY,
  EV_EFI_VARIABLE_DRIVER_CONFIG,
  EV_IPL,
  EV_NO_ACTION,
  EV_SEPARATOR,
  event,
  extend,
  secureBoot,
  separator,
  sha1Event,
  specId,
  startupLocality,
  u32le,
  variable,
} from './tcg-log.ts'

describe('judgeEventLog', () => {
  it.each(['debian13-uki', 'debian13-uki-secureboot'])(
    'accepts %s with what its TPM holds, in both banks',
    host => {
      const log = parseEventLog(fixture(host, 'eventlog.bin'))
      const read = fixture(host, 'pcrread.txt').toString()
      const bank = (name: string): Map<number, Buffer> =>
        new Map(
          Array.from(readPcrText(read, name))
            // 11 and 15 go on in systemd's log.
            .filter(([pcr]) => pcr !== 11 && pcr !== 15)
            .map(([pcr, hex]) => [pcr, Buffer.from(hex, 'hex')]),
        )
      const quoted = new Map([
        ['sha1', bank('sha1')],
        ['sha256', bank('sha256')],
      ] as const)
      const judged = judgeEventLog(log, quoted)
      expect(judged.reasons).toEqual([])
      expect(judged).toMatchObject({ verdict: 'accept', exitBootServices: true, quirks: [] })
      expect(judged.secureBoot).toBe(host.endsWith('secureboot'))
    },
  )

  it('accepts a log whose values are quoted, and rejects one with another value, naming it', () => {
    const log = of(event(4, EV_IPL, data))
    expect(codes(log)).toEqual([])
    const [reason] = judgeEventLog(log, quote({ 4: digest })).reasons
    expect(reason).toEqual({
      code: 'EVENT_LOG_REPLAY_MISMATCH',
      message: expect.stringContaining('PCR 4 (sha256)'),
      at: 'PCR 4',
      bank: 'sha256',
      replayed: extend(ZERO, digest).toString('hex'),
      quoted: digest.toString('hex'),
    })
  })

  it('rejects a value of another length', () => {
    const log = of(event(4, EV_IPL, data))
    const value = extend(ZERO, digest)
    expect(codes(log, quote({ 4: value.subarray(0, 31) }))).toEqual(['EVENT_LOG_REPLAY_MISMATCH'])
    expect(codes(log, quote({ 4: Buffer.alloc(0) }))).toEqual(['EVENT_LOG_REPLAY_MISMATCH'])
  })

  it('looks into each quoted bank: one that differs is enough', () => {
    const banks = ['sha1', 'sha256'] as const
    const log = parse(specId(banks), event(4, EV_IPL, data, { banks }))
    const quoted = honest(log)
    expect(codes(log, quoted)).toEqual([])
    quoted.get('sha1')?.set(4, Buffer.alloc(20, 1))
    expect(judgeEventLog(log, quoted).reasons).toMatchObject([
      { code: 'EVENT_LOG_REPLAY_MISMATCH', bank: 'sha1', at: 'PCR 4' },
    ])
  })

  it('does not look at PCRs that are not quoted', () => {
    const log = of(event(4, EV_IPL, data), event(5, EV_IPL, data))
    expect(codes(log, quote({ 4: extend(ZERO, digest) }))).toEqual([])
    expect(codes(log, new Map())).toEqual([])
  })

  it('compares what a log extends above the firmware’s PCRs too', () => {
    const log = of(event(14, EV_IPL, data), event(23, EV_IPL, data))
    expect(codes(log, quote({ 14: ZERO }))).toEqual(['EVENT_LOG_REPLAY_MISMATCH'])
    expect(codes(log, quote({ 23: extend(ZERO, digest) }))).toEqual([])
  })

  it('can say nothing of a bank that nobody knows', () => {
    expect(codes(of(), quote({ 4: ZERO }, '0x0099'))).toEqual(['EVENT_LOG_BANK_UNKNOWN'])
    expect(codes(of(), quote({}, '0x0099'))).toEqual([])
    expect(codes(of(), quote({ 4: ZERO }, 'md5' as BankName))).toEqual(['EVENT_LOG_BANK_UNKNOWN'])
  })

  it('gives the same result for the same bytes', () => {
    const log = of(event(4, EV_IPL, data), separator(7), separator(7))
    expect(judgeEventLog(log, quote({ 4: ZERO }))).toEqual(judgeEventLog(log, quote({ 4: ZERO })))
  })
})

describe('historic failure: a PCR that is not zero and has no events', () => {
  const one = Buffer.alloc(32, 1)

  it.each([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])(
    'PCR %i fails, whether the log is short, only a header, or empty',
    pcr => {
      for (const log of [of(separator(pcr === 0 ? 1 : 0)), of(), parse()]) {
        expect(codes(log, quote({ [pcr]: one }))).toEqual(['EVENT_LOG_PCR_UNLOGGED'])
        expect(codes(log, quote({ [pcr]: ZERO }))).toEqual([])
      }
    },
  )

  it('an event that extends nothing is none: EV_NO_ACTION with a digest', () => {
    const noAction = event(4, EV_IPL, data)
    noAction.writeUInt32LE(EV_NO_ACTION, 4)
    expect(codes(of(noAction), quote({ 4: extend(ZERO, digest) }))).toEqual(['EVENT_LOG_PCR_UNLOGGED'])
    expect(codes(of(noAction), quote({ 4: ZERO }))).toEqual([])
  })

  it('a bank that the log does not have is a bank without events', () => {
    const log = parse(sha1Event(4, EV_IPL, data))
    expect(codes(log, quote({ 4: one }))).toEqual(['EVENT_LOG_PCR_UNLOGGED'])
    expect(codes(log, quote({ 4: ZERO, 17: Buffer.alloc(32, 0xff) }))).toEqual([])
  })

  it('PCR 0 without an event still holds the startup locality', () => {
    const three = Buffer.alloc(32)
    three[31] = 3
    expect(codes(of(startupLocality(3)), quote({ 0: three }))).toEqual([])
    expect(codes(of(startupLocality(3)), quote({ 0: ZERO }))).toEqual(['EVENT_LOG_PCR_UNLOGGED'])
  })

  it('from PCR 10 on other logs explain the value', () => {
    const values = {
      10: one,
      11: one,
      15: one,
      16: one,
      17: Buffer.alloc(32, 0xff),
      22: Buffer.alloc(32, 0xff),
      23: one,
    }
    expect(codes(of(), quote(values))).toEqual([])
  })

  it('of a confidential VM: its run-time registers, and not the measurement of its build', () => {
    const judge = (register: number) =>
      judgeEventLog(parse(), quote({ [register]: one }), { registers: 'cc' }).reasons.map(({ at }) => at)
    expect([0, 1, 2, 3, 4].map(judge)).toEqual([[], ['RTMR0'], ['RTMR1'], ['RTMR2'], ['RTMR3']])
  })
})

describe('what an honest log does not say, though its values are the quoted ones', () => {
  const exit = Buffer.from('Exit Boot Services Returned with Success')
  const other = { digestOf: Buffer.from('other') }

  it.each<[string, Buffer[], string]>([
    ['a separator of 1, which stands for an error', [separator(0, 1)], 'EVENT_LOG_SEPARATOR'],
    ['a separator of 3 bytes', [event(0, EV_SEPARATOR, Buffer.alloc(3))], 'EVENT_LOG_SEPARATOR'],
    ['two separators of one PCR', [separator(4), separator(4)], 'EVENT_LOG_SEPARATOR'],
    ['a separator with other data', [event(7, EV_SEPARATOR, u32le(0), other)], 'EVENT_LOG_DATA_MISMATCH'],
    ['an action with other data', [event(5, EV_EFI_ACTION, exit, other)], 'EVENT_LOG_DATA_MISMATCH'],
    [
      'a variable with other data',
      [event(7, EV_EFI_VARIABLE_DRIVER_CONFIG, variable('db', data), other)],
      'EVENT_LOG_DATA_MISMATCH',
    ],
    [
      'an authority with other data',
      [event(7, EV_EFI_VARIABLE_AUTHORITY, variable('db', data), other)],
      'EVENT_LOG_DATA_MISMATCH',
    ],
    ['PCR 24', [event(24, EV_IPL, data)], 'EVENT_LOG_PCR_OUT_OF_RANGE'],
    ['two startup localities', [startupLocality(3), startupLocality(3)], 'EVENT_LOG_STARTUP_LOCALITY'],
    ['startup locality 2', [startupLocality(2)], 'EVENT_LOG_STARTUP_LOCALITY'],
    ['a late startup locality', [event(0, EV_IPL, data), startupLocality(3)], 'EVENT_LOG_STARTUP_LOCALITY'],
    ['SecureBoot twice', [secureBoot(0), secureBoot(1)], 'EVENT_LOG_SECURE_BOOT'],
  ])('%s', (_, events, code) => {
    expect(codes(of(...events))).toEqual([code])
  })

  it('each problem once, though both banks find it', () => {
    const banks = ['sha1', 'sha256'] as const
    const log = parse(specId(banks), ...[4, 4].map(pcr => event(pcr, EV_SEPARATOR, u32le(0), { banks })))
    expect(codes(log)).toEqual(['EVENT_LOG_SEPARATOR'])
  })

  it('an event that lacks a declared bank', () => {
    const log = parse(specId(['sha1', 'sha256']), event(4, EV_IPL, data, { banks: ['sha256'] }))
    expect(codes(log)).toEqual(['EVENT_LOG_BANK_MISSING'])
  })

  it('in a bank that was not quoted: the data it is about is the same', () => {
    const banks = ['sha1', 'sha256'] as const
    const bytes = event(7, EV_SEPARATOR, u32le(0), { banks })
    bytes[16] = (bytes[16] ?? 0) ^ 1
    const log = parse(specId(banks), bytes)
    expect(codes(log, quote({ 7: extend(ZERO, hash('sha256', u32le(0), 'buffer')) }))).toEqual([
      'EVENT_LOG_DATA_MISMATCH',
    ])
  })

  it('a log without the end of boot services is an honest one', () => {
    const log = of(separator(0))
    expect(judgeEventLog(log, honest(log))).toMatchObject({ verdict: 'accept', exitBootServices: false })
  })

  it('tells facts from a bank that was quoted, and from SHA-1 last', () => {
    const banks = ['sha1', 'sha256'] as const
    const log = parse(
      specId(banks),
      event(7, EV_EFI_VARIABLE_DRIVER_CONFIG, variable('SecureBoot', Buffer.of(1)), { banks }),
    )
    expect(judgeEventLog(log, honest(log)).secureBoot).toBe(true)
    // Only sha1 was quoted, and its digest is of other data: what sha256 says then is not attested.
    const bytes = event(7, EV_EFI_VARIABLE_DRIVER_CONFIG, variable('SecureBoot', Buffer.of(1)), { banks })
    bytes[16] = (bytes[16] ?? 0) ^ 1
    const forged = parse(specId(banks), bytes)
    expect(judgeEventLog(forged, quote({ 7: Buffer.alloc(20) }, 'sha1')).secureBoot).toBe(null)
  })
})

describe('an H-CRTM whose locality the log does not say', () => {
  const hcrtm = event(0, 0x80000010, Buffer.from('HCRTM'), { digestOf: data })
  it.each([0, 4])('fits a quote of PCR 0 that began at %i, and none that began at 3', locality => {
    const from = (value: number): Buffer => {
      const start = Buffer.alloc(32)
      start[31] = value
      return extend(start, digest)
    }
    const judged = judgeEventLog(of(hcrtm), quote({ 0: from(locality) }))
    expect(judged).toMatchObject({ verdict: 'accept', startupLocality: locality, quirks: [] })
    expect(codes(of(hcrtm), quote({ 0: from(3) }))).toEqual(['EVENT_LOG_REPLAY_MISMATCH'])
    expect(codes(of(startupLocality(3), hcrtm), quote({ 0: from(locality) }))).toEqual([
      'EVENT_LOG_REPLAY_MISMATCH',
    ])
  })
})
