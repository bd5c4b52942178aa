import { hash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { EventLogError, parseEventLog, replayEventLog } from '../../attestation/index.ts'
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
  specId,
  startupLocality,
  u16le,
  u32le,
  variable,
} from './tcg-log.ts'

const ZERO = Buffer.alloc(32)
const data = Buffer.from('measured')
const digest = hash('sha256', data, 'buffer')

function codeOf(...parts: Buffer[]): string {
  try {
    parseEventLog(Buffer.concat(parts))
  } catch (error) {
    if (error instanceof EventLogError) return error.code
    throw error
  }
  return 'PARSED'
}

const replay = (...parts: Buffer[]) =>
  replayEventLog(parseEventLog(Buffer.concat([specId(), ...parts])), 'sha256')
const problems = (...parts: Buffer[]): string[] => replay(...parts).problems.map(problem => problem.code)

describe('parseEventLog', () => {
  it('reads the recorded logs, both banks', () => {
    const log = parseEventLog(fixture('debian13-uki', 'eventlog.bin'))
    expect(log.banks).toEqual(['sha1', 'sha256'])
    const read = fixture('debian13-uki', 'pcrread.txt').toString()
    for (const bank of log.banks) {
      const { pcrs, problems: found } = replayEventLog(log, bank)
      expect(found).toEqual([])
      const values = readPcrText(read, bank)
      for (const pcr of [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 14]) {
        expect(pcrs.get(pcr)?.toString('hex')).toBe(values.get(pcr))
      }
    }
  })

  it('needs the header, first', () => {
    expect(codeOf()).toBe('EVENT_LOG_SPEC_ID_MISSING')
    expect(codeOf(separator(0), specId())).toMatch(/^EVENT_LOG_(SPEC_ID_MISSING|TRUNCATED)$/)
    expect(codeOf(Buffer.concat([u32le(0, EV_IPL), Buffer.alloc(20), u32le(0)]))).toBe(
      'EVENT_LOG_SPEC_ID_MISSING',
    )
    const inPcr1 = specId()
    inPcr1.writeUInt32LE(1)
    expect(codeOf(inPcr1)).toBe('EVENT_LOG_SPEC_ID_MISSING')
    const asIpl = specId()
    asIpl.writeUInt32LE(EV_IPL, 4)
    expect(codeOf(asIpl)).toBe('EVENT_LOG_SPEC_ID_MISSING')
    expect(codeOf(specId())).toBe('PARSED')
  })

  it.each(['Spec ID Event03\0', 'Spec ID Event02\0', 'Spec ID Event00\0'])(
    'takes no second header: %j',
    signature => {
      const again = event(0, EV_NO_ACTION, Buffer.concat([Buffer.from(signature), Buffer.alloc(16)]))
      expect(codeOf(specId(), separator(0), again)).toBe('EVENT_LOG_SPEC_ID_REPEATED')
    },
  )

  it.each([
    [
      'version 1.2',
      Buffer.concat([u32le(0), Buffer.of(2, 1, 0, 2), u32le(1), u16le(11), u16le(32), Buffer.of(0)]),
    ],
    ['no bank', Buffer.concat([u32le(0), Buffer.of(0, 2, 0, 2), u32le(0), Buffer.of(0)])],
    ['4 G banks', Buffer.concat([u32le(0), Buffer.of(0, 2, 0, 2), u32le(0xffffffff), u16le(11), u16le(32)])],
    [
      'a bank twice',
      Buffer.concat([
        u32le(0),
        Buffer.of(0, 2, 0, 2),
        u32le(2),
        u16le(11),
        u16le(32),
        u16le(11),
        u16le(32),
        Buffer.of(0),
      ]),
    ],
    [
      'SHA-256 of 20 bytes',
      Buffer.concat([u32le(0), Buffer.of(0, 2, 0, 2), u32le(1), u16le(11), u16le(20), Buffer.of(0)]),
    ],
    [
      'an unknown bank of 0 bytes',
      Buffer.concat([u32le(0), Buffer.of(0, 2, 0, 2), u32le(1), u16le(0x99), u16le(0), Buffer.of(0)]),
    ],
    [
      'bytes after it',
      Buffer.concat([u32le(0), Buffer.of(0, 2, 0, 2), u32le(1), u16le(11), u16le(32), Buffer.of(0, 0)]),
    ],
    [
      'vendor info cut off',
      Buffer.concat([u32le(0), Buffer.of(0, 2, 0, 2), u32le(1), u16le(11), u16le(32), Buffer.of(9)]),
    ],
  ])('refuses a header with %s', (_, rest) => {
    const header = Buffer.concat([Buffer.from('Spec ID Event03\0'), rest])
    expect(codeOf(specId([], { data: header }))).toBe('EVENT_LOG_SPEC_ID_MALFORMED')
  })

  it('bounds every read: a length of 4 GiB is a typed error', () => {
    const huge = event(4, EV_IPL, data)
    huge.writeUInt32LE(0xffffffff, huge.length - data.length - 4)
    expect(codeOf(specId(), huge)).toBe('EVENT_LOG_TRUNCATED')
    const digests = event(4, EV_IPL, data)
    digests.writeUInt32LE(0xffffffff, 8)
    expect(codeOf(specId(), digests)).toBe('EVENT_LOG_DIGESTS_MALFORMED')
    const header = specId()
    header.writeUInt32LE(0xffffffff, 28)
    expect(codeOf(header)).toBe('EVENT_LOG_TRUNCATED')
  })

  it('refuses every truncation inside an event', () => {
    const whole = event(4, EV_IPL, data)
    for (let end = 1; end < whole.length; end++)
      expect(codeOf(specId(), whole.subarray(0, end))).toBe('EVENT_LOG_TRUNCATED')
  })

  it('refuses a log that is too large', () => {
    expect(codeOf(specId(), Buffer.alloc(17 << 20))).toBe('EVENT_LOG_TOO_LARGE')
  })

  it('refuses an event without a digest for each bank', () => {
    const both = specId(['sha1', 'sha256'])
    expect(codeOf(both, event(4, EV_IPL, data, { banks: ['sha1', 'sha256'] }))).toBe('PARSED')
    expect(codeOf(both, event(4, EV_IPL, data, { banks: ['sha256'] }))).toBe('EVENT_LOG_BANK_MISSING')
    expect(codeOf(both, event(4, EV_IPL, data, { banks: ['sha256', 'sha256'] }))).toBe(
      'EVENT_LOG_DIGESTS_MALFORMED',
    )
    expect(codeOf(specId(), event(4, EV_IPL, data, { banks: ['sha1'] }))).toBe('EVENT_LOG_DIGESTS_MALFORMED')
    expect(codeOf(specId(), event(4, EV_IPL, data, { banks: ['sha256', 'sha1'] }))).toBe(
      'EVENT_LOG_DIGESTS_MALFORMED',
    )
    expect(codeOf(specId(), event(4, EV_IPL, data, { banks: [] }))).toBe('EVENT_LOG_BANK_MISSING')
  })
})

describe('replayEventLog', () => {
  it('extends each event, and leaves the other PCRs at their reset value', () => {
    const { pcrs, extended } = replay(event(4, EV_IPL, data), event(4, EV_IPL, data))
    expect(pcrs.get(4)).toEqual(extend(ZERO, digest, digest))
    expect([...extended]).toEqual([4])
    expect(pcrs.get(5)).toEqual(ZERO)
  })

  it('never extends EV_NO_ACTION, whatever its digest says', () => {
    const noAction = event(4, EV_IPL, data)
    noAction.writeUInt32LE(EV_NO_ACTION, 4)
    const { pcrs, extended, events } = replay(noAction)
    expect(pcrs.get(4)).toEqual(ZERO)
    expect(extended.size).toBe(0)
    expect(events[0]).toMatchObject({ extended: false, dataBound: false })
  })

  it('lets EV_NO_ACTION name any PCR, and an event none beyond 23', () => {
    expect(problems(event(0xffffffff, EV_NO_ACTION, data))).toEqual([])
    expect(problems(event(24, EV_IPL, data))).toEqual(['EVENT_LOG_PCR_OUT_OF_RANGE'])
    expect(problems(event(0xffffffff, EV_IPL, data))).toEqual(['EVENT_LOG_PCR_OUT_OF_RANGE'])
  })

  it.each([0, 3, 4])('starts PCR 0 from startup locality %i', locality => {
    const {
      pcrs,
      problems: found,
      startupLocality: read,
    } = replay(startupLocality(locality), event(0, EV_IPL, data))
    const start = Buffer.alloc(32)
    start[31] = locality
    expect(pcrs.get(0)).toEqual(extend(start, digest))
    expect(found).toEqual([])
    expect(read).toBe(locality)
  })

  it('takes a startup locality once, and before PCR 0 is first extended', () => {
    expect(problems(startupLocality(3), startupLocality(3))).toEqual(['EVENT_LOG_STARTUP_LOCALITY'])
    const late = replay(event(0, EV_IPL, data), startupLocality(3))
    expect(late.problems.map(p => p.code)).toEqual(['EVENT_LOG_STARTUP_LOCALITY'])
    expect(late.pcrs.get(0)).toEqual(extend(ZERO, digest))
    expect(problems(event(1, EV_IPL, data), startupLocality(3))).toEqual([])
    expect(problems(startupLocality(1))).toEqual(['EVENT_LOG_STARTUP_LOCALITY'])
    const long = event(0, EV_NO_ACTION, Buffer.from('StartupLocality\0\x03\x03'))
    expect(problems(long)).toEqual(['EVENT_LOG_STARTUP_LOCALITY'])
  })

  it.each([
    ['EV_SEPARATOR', 5, EV_SEPARATOR, u32le(0)],
    ['EV_EFI_ACTION', 5, EV_EFI_ACTION, data],
    ['EV_EFI_VARIABLE_DRIVER_CONFIG', 7, EV_EFI_VARIABLE_DRIVER_CONFIG, data],
    ['EV_EFI_VARIABLE_AUTHORITY', 7, EV_EFI_VARIABLE_AUTHORITY, data],
  ])('%s: the digest has to be that of the data', (_, pcr, type, bytes) => {
    expect(problems(event(pcr, type, bytes))).toEqual([])
    expect(problems(event(pcr, type, bytes, { digestOf: Buffer.from('other') }))).toEqual([
      'EVENT_LOG_DATA_MISMATCH',
    ])
  })

  it("allows shim's extra byte, and only in EV_EFI_VARIABLE_AUTHORITY, and only one", () => {
    const logged = Buffer.concat([data, Buffer.of(0xaf)])
    expect(problems(event(7, EV_EFI_VARIABLE_AUTHORITY, logged, { digestOf: data }))).toEqual([])
    expect(problems(event(7, EV_EFI_VARIABLE_DRIVER_CONFIG, logged, { digestOf: data }))).toEqual([
      'EVENT_LOG_DATA_MISMATCH',
    ])
    const two = Buffer.concat([logged, Buffer.of(0)])
    expect(problems(event(7, EV_EFI_VARIABLE_AUTHORITY, two, { digestOf: data }))).toEqual([
      'EVENT_LOG_DATA_MISMATCH',
    ])
  })

  it('labels data that no digest binds', () => {
    const { events, problems: found } = replay(
      event(4, EV_IPL, data),
      event(4, EV_IPL, data, { digestOf: Buffer.from('the program') }),
    )
    expect(events.map(e => e.dataBound)).toEqual([true, false])
    expect(found).toEqual([])
  })

  it('takes separators of 0 and 0xFFFFFFFF, one in each of PCR 0 to 7', () => {
    expect(problems(separator(0), separator(1, 0xffffffff))).toEqual([])
    expect(problems(separator(0, 1))).toEqual(['EVENT_LOG_SEPARATOR'])
    expect(problems(event(0, EV_SEPARATOR, Buffer.alloc(3)))).toEqual(['EVENT_LOG_SEPARATOR'])
    expect(problems(separator(7), separator(7))).toEqual(['EVENT_LOG_SEPARATOR'])
    expect(problems(separator(14), separator(14))).toEqual([])
  })

  it('reads SecureBoot', () => {
    expect(replay().secureBoot).toBe(null)
    expect(replay(secureBoot(1)).secureBoot).toBe(true)
    expect(replay(secureBoot(0)).secureBoot).toBe(false)
  })

  it.each([
    ['under another GUID', [secureBoot(1, '00'.repeat(16))]],
    ['after the separator of PCR 7', [separator(7), secureBoot(1)]],
    ['in another PCR', [event(6, EV_EFI_VARIABLE_DRIVER_CONFIG, variable('SecureBoot', Buffer.of(1)))]],
    ['of another type', [event(7, EV_IPL, variable('SecureBoot', Buffer.of(1)))]],
    ['of no byte', [secureBoot(Buffer.alloc(0))]],
    ['of two bytes', [secureBoot(Buffer.of(1, 0))]],
    ['of value 2', [secureBoot(2)]],
    [
      'whose digest is of other data',
      [event(7, EV_EFI_VARIABLE_DRIVER_CONFIG, variable('SecureBoot', Buffer.of(1)), { digestOf: data })],
    ],
    [
      'with bytes after it',
      [
        event(
          7,
          EV_EFI_VARIABLE_DRIVER_CONFIG,
          Buffer.concat([variable('SecureBoot', Buffer.of(1)), Buffer.of(0)]),
        ),
      ],
    ],
  ])('does not count a SecureBoot %s', (_, events) => {
    expect(replay(...events).secureBoot).toBe(null)
  })

  it('counts no second SecureBoot', () => {
    expect(problems(secureBoot(0), secureBoot(1))).toEqual(['EVENT_LOG_SECURE_BOOT'])
    expect(replay(secureBoot(0), secureBoot(1)).secureBoot).toBe(false)
  })

  it('reads the end of boot services only from data that a digest binds', () => {
    const text = Buffer.from('Exit Boot Services Returned with Success')
    expect(replay(event(5, EV_EFI_ACTION, text)).exitBootServices).toBe(true)
    expect(replay(event(5, EV_IPL, text)).exitBootServices).toBe(false)
    expect(replay(event(5, EV_EFI_ACTION, text, { digestOf: data })).exitBootServices).toBe(false)
  })
})
