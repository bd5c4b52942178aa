import { hash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import {
  ANY_EVENT_LOG,
  type BankName,
  type EventLog,
  judgeEventLog,
  parseEventLog,
  QUIRKS,
  type QuirkName,
  type QuotedPcrs,
  replayAll,
} from '../../attestation/index.ts'
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

const data = Buffer.from('measured')
const digest = hash('sha256', data, 'buffer')
const ZERO = Buffer.alloc(32)

const parse = (...parts: Buffer[]): EventLog => parseEventLog(Buffer.concat(parts), ANY_EVENT_LOG)
const of = (...parts: Buffer[]): EventLog => parse(specId(), ...parts)

/** What a TPM would quote if it had been extended as this log says. */
function honest(log: EventLog): Map<BankName, Map<number, Buffer>> {
  return new Map(
    replayAll(log).map(({ bank, pcrs, extended }) => [
      bank,
      new Map(Array.from(extended, pcr => [pcr, pcrs.get(pcr) ?? ZERO])),
    ]),
  )
}

const quote = (values: Record<number, Buffer>, bank: BankName = 'sha256'): QuotedPcrs =>
  new Map([[bank, new Map(Object.entries(values).map(([pcr, value]) => [Number(pcr), value]))]])

const codes = (log: EventLog, quoted: QuotedPcrs = honest(log)): string[] =>
  judgeEventLog(log, quoted).reasons.map(({ code }) => code)

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

describe('quirks', () => {
  const text = (value: string): Buffer => Buffer.from(value, 'latin1')
  const sha = (value: Uint8Array): Buffer => hash('sha256', value, 'buffer')
  const invoked = sha(text('Exit Boot Services Invocation'))
  const succeeded = sha(text('Exit Boot Services Returned with Success'))
  const failed = sha(text('Exit Boot Services Returned with Failure'))
  const zeros = u32le(0)
  const locality = (value: number): Buffer => {
    const start = Buffer.alloc(32)
    start[31] = value
    return start
  }

  /** For each: a log that only this quirk explains, and what the TPM holds. */
  const CASES: readonly (readonly [QuirkName, string, Buffer[], Record<number, Buffer>])[] = [
    [
      'exit-boot-services-unlogged',
      'success',
      [separator(5)],
      { 5: extend(ZERO, sha(zeros), invoked, succeeded) },
    ],
    [
      'exit-boot-services-unlogged',
      'failure, then success',
      [separator(5)],
      { 5: extend(ZERO, sha(zeros), invoked, failed, succeeded) },
    ],
    [
      'exit-boot-services-unlogged',
      'failure whose invocation is not measured',
      [separator(5)],
      { 5: extend(ZERO, sha(zeros), failed, invoked, succeeded) },
    ],
    [
      'final-events-repeated',
      'two events twice, and one behind them',
      [
        event(4, EV_IPL, text('a')),
        ...[1, 2].flatMap(() => [event(4, EV_IPL, text('b')), event(4, EV_IPL, text('c'))]),
        event(5, EV_IPL, text('d')),
      ],
      { 4: extend(ZERO, sha(text('a')), sha(text('b')), sha(text('c'))), 5: extend(ZERO, sha(text('d'))) },
    ],
    [
      'separator-data-padded',
      'a slot of 50 bytes',
      [event(5, EV_SEPARATOR, Buffer.alloc(50), { digestOf: zeros })],
      { 5: extend(ZERO, sha(zeros)) },
    ],
    [
      'startup-locality-padded',
      'a slot of 50 bytes',
      [
        event(0, EV_NO_ACTION, Buffer.concat([text('StartupLocality\0\x03'), Buffer.alloc(33)])),
        event(0, EV_IPL, data),
      ],
      { 0: extend(locality(3), digest) },
    ],
    ['startup-locality-unlogged', 'locality 3', [event(0, EV_IPL, data)], { 0: extend(locality(3), digest) }],
    ['startup-locality-unlogged', 'locality 4', [event(0, EV_IPL, data)], { 0: extend(locality(4), digest) }],
    [
      'variable-digest-of-value',
      'the value of db',
      [event(7, EV_EFI_VARIABLE_DRIVER_CONFIG, variable('db', data), { digestOf: data })],
      { 7: extend(ZERO, digest) },
    ],
  ]

  it('every one of the table has a case here, a name that says what is wrong, and a source', () => {
    expect(new Set(CASES.map(([name]) => name))).toEqual(new Set(QUIRKS.map(({ name }) => name)))
    for (const { name, what, source } of QUIRKS) {
      expect(name).toMatch(/^[a-z]+(-[a-z]+)+$/)
      expect(what).toMatch(/\.$/)
      expect(source.length).toBeGreaterThan(10)
    }
  })

  it('the table in docs/event-logs.md is that of the code', () => {
    const page = readFileSync(new URL('../../docs/event-logs.md', import.meta.url), 'utf8')
    const rows = page.split('\n').filter(line => /^\| `[a-z]+(-[a-z]+)+` \|/.test(line))
    expect(rows).toEqual(QUIRKS.map(({ name, what, source }) => `| \`${name}\` | ${what} | ${source} |`))
  })

  it.each(CASES)('%s: %s', (name, _, events, values) => {
    const log = of(...events)
    expect(judgeEventLog(log, quote(values)).verdict).toBe('reject')
    const judged = judgeEventLog(log, quote(values), { quirks: [name] })
    expect(judged).toMatchObject({ verdict: 'accept', reasons: [], quirks: [name] })
    // No other quirk explains it, and all together do.
    const others = QUIRKS.map(quirk => quirk.name).filter(other => other !== name)
    expect(judgeEventLog(log, quote(values), { quirks: others }).verdict).toBe('reject')
    expect(judgeEventLog(log, quote(values), { quirks: [...others, name] }).verdict).toBe('accept')
  })

  const all = QUIRKS.map(({ name }) => name)

  it('two at once', () => {
    const values = { 0: extend(locality(3), digest), 5: extend(ZERO, invoked, succeeded) }
    const quirks = ['startup-locality-unlogged', 'exit-boot-services-unlogged'] as const
    const judged = judgeEventLog(of(event(0, EV_IPL, data)), quote(values), { quirks })
    expect(judged).toMatchObject({ verdict: 'accept', quirks, exitBootServices: true, startupLocality: 3 })
  })

  it('none is named where none is needed', () => {
    const log = of(event(4, EV_IPL, data), separator(5))
    expect(judgeEventLog(log, honest(log), { quirks: all })).toMatchObject({ verdict: 'accept', quirks: [] })
  })

  it('none makes another value good', () => {
    const log = of(
      startupLocality(3),
      event(0, EV_IPL, data),
      event(4, EV_IPL, data),
      separator(5),
      secureBoot(0),
    )
    for (const pcr of [0, 4, 5, 7]) {
      const judged = judgeEventLog(log, quote({ [pcr]: Buffer.alloc(32, 7) }), { quirks: all })
      expect(judged.reasons.map(({ code }) => code)).toEqual(['EVENT_LOG_REPLAY_MISMATCH'])
    }
  })

  it('nothing is read from data that a quirk excuses: a name that no digest binds may be any', () => {
    const named = event(7, EV_EFI_VARIABLE_DRIVER_CONFIG, variable('SecureBoot', Buffer.of(1)), {
      digestOf: Buffer.of(1),
    })
    const log = of(named)
    expect(judgeEventLog(log, honest(log), { quirks: all })).toMatchObject({
      verdict: 'accept',
      secureBoot: null,
    })
  })

  it('an excused separator is still the separator: nothing counts behind it, and it comes once', () => {
    const padded = event(7, EV_SEPARATOR, Buffer.alloc(50), { digestOf: zeros })
    const quirks = ['separator-data-padded'] as const
    const behind = of(padded, secureBoot(1))
    expect(judgeEventLog(behind, honest(behind), { quirks }).secureBoot).toBe(null)
    const twice = of(padded, padded)
    expect(judgeEventLog(twice, honest(twice), { quirks }).reasons).toMatchObject([
      { code: 'EVENT_LOG_SEPARATOR' },
    ])
  })

  it('what is not padding is not excused', () => {
    const odd = Buffer.alloc(50)
    odd[49] = 1
    const padded = of(event(7, EV_SEPARATOR, odd, { digestOf: zeros }))
    expect(judgeEventLog(padded, honest(padded), { quirks: all }).reasons.length).toBe(1)
    const late = of(event(0, EV_NO_ACTION, Buffer.concat([text('StartupLocality\0\x03'), odd])))
    expect(judgeEventLog(late, honest(late), { quirks: all }).reasons.length).toBe(1)
  })

  it('a log of repetitions costs a bounded number of replays', () => {
    const log = of(...Array.from({ length: 150 }, () => event(4, EV_IPL, data)))
    const start = performance.now()
    expect(judgeEventLog(log, quote({ 4: digest }), { quirks: all }).verdict).toBe('reject')
    expect(performance.now() - start).toBeLessThan(5_000)
  })
})
