import { hash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import {
  ANY_EVENT_LOG,
  describeEventLog,
  EventLogError,
  MAX_EVENTS,
  parseEventLog,
  replayEventLog,
} from '../../attestation/index.ts'
import {
  EV_EFI_ACTION,
  EV_EFI_VARIABLE_DRIVER_CONFIG,
  EV_IPL,
  EV_NO_ACTION,
  EV_SEPARATOR,
  errorOf,
  event,
  extend,
  separator,
  sha1Event,
  specId,
  u32le,
  variable,
} from './tcg-log.ts'

const data = Buffer.from('measured')

const any = (...parts: Buffer[]) => parseEventLog(Buffer.concat(parts), ANY_EVENT_LOG)

describe('an error', () => {
  const header = specId()
  const good = event(4, EV_IPL, data)

  it('says at which event and at which byte of the log that event begins', () => {
    const cut = Buffer.concat([header, good, good.subarray(0, -1)])
    expect(errorOf(cut)).toMatchObject({
      code: 'EVENT_LOG_TRUNCATED',
      at: 'event 2',
      offset: header.length + good.length,
    })
    const repeated = Buffer.concat([
      header,
      good,
      good,
      event(0, EV_NO_ACTION, Buffer.from('Spec ID Event03\0')),
    ])
    expect(errorOf(repeated)).toMatchObject({
      code: 'EVENT_LOG_SPEC_ID_REPEATED',
      offset: header.length + 2 * good.length,
    })
    expect(errorOf(header.subarray(0, 30))).toMatchObject({ code: 'EVENT_LOG_TRUNCATED', offset: 0 })
    expect(errorOf(Buffer.alloc(0))).toMatchObject({ code: 'EVENT_LOG_SPEC_ID_MISSING', offset: 0 })
  })

  it('each event says where it begins', () => {
    const { events, header: first } = any(header, good, good)
    expect(first?.offset).toBe(0)
    expect(events.map(({ offset }) => offset)).toEqual([header.length, header.length + good.length])
  })
})

describe('a SHA-1 log', () => {
  const sha1 = (value: Uint8Array): Buffer => hash('sha1', value, 'buffer')

  it('is read where the caller takes it, and only there', () => {
    const log = sha1Event(4, EV_IPL, data)
    expect(errorOf(log).code).toBe('EVENT_LOG_SPEC_ID_MISSING')
    expect(errorOf(log, { formats: ['agile', 'ccel', 'empty'] }).code).toBe('EVENT_LOG_SPEC_ID_MISSING')
    const read = any(log)
    expect(read).toMatchObject({ format: 'sha1', banks: ['sha1'], header: null, specId: null })
    expect(read.events[0]).toMatchObject({ index: 0, offset: 0, pcr: 4, type: EV_IPL })
    const { pcrs } = replayEventLog(read, 'sha1')
    expect(pcrs.get(4)).toEqual(sha1(Buffer.concat([Buffer.alloc(20), sha1(data)])))
  })

  it.each(['Spec ID Event00\0', 'Spec ID Event02\0'])('may begin with a header of its own: %j', signature => {
    const header = sha1Event(0, EV_NO_ACTION, Buffer.concat([Buffer.from(signature), Buffer.alloc(8)]))
    expect(any(header, sha1Event(4, EV_IPL, data)).events.length).toBe(2)
    const again = Buffer.concat([sha1Event(4, EV_IPL, data), header])
    expect(errorOf(again, ANY_EVENT_LOG).code).toBe('EVENT_LOG_SPEC_ID_REPEATED')
  })

  it('has no header of another version, nor one that is measured', () => {
    const other = sha1Event(0, EV_NO_ACTION, Buffer.from('Spec ID Event07\0'))
    expect(errorOf(other, ANY_EVENT_LOG).code).toBe('EVENT_LOG_SPEC_ID_MALFORMED')
    const measured = specId()
    measured.writeUInt32LE(EV_IPL, 4)
    expect(errorOf(measured, ANY_EVENT_LOG).code).toBe('EVENT_LOG_SPEC_ID_MISSING')
  })

  it('is not a crypto-agile log whose header was cut off', () => {
    expect(errorOf(event(4, EV_IPL, data), ANY_EVENT_LOG).code).toBe('EVENT_LOG_TRUNCATED')
  })

  it('may have the digest of a value alone, as firmware for TPM 1.2 measures it: no name is bound, so that only "off" counts', () => {
    const value = (on: number) =>
      sha1Event(7, EV_EFI_VARIABLE_DRIVER_CONFIG, variable('SecureBoot', Buffer.of(on)), Buffer.of(on))
    const off = replayEventLog(any(value(0)), 'sha1')
    expect(off).toMatchObject({ secureBoot: false, problems: [] })
    expect(replayEventLog(any(value(1)), 'sha1')).toMatchObject({ secureBoot: null, problems: [] })
    const agile = event(7, EV_EFI_VARIABLE_DRIVER_CONFIG, variable('SecureBoot', Buffer.of(0)), {
      digestOf: Buffer.of(0),
    })
    const { problems, secureBoot } = replayEventLog(any(specId(), agile), 'sha256')
    expect([problems.map(({ code }) => code), secureBoot]).toEqual([['EVENT_LOG_DATA_MISMATCH'], null])
  })
})

describe('an empty log', () => {
  it('is a log without events where the caller takes it', () => {
    expect(any()).toMatchObject({ format: 'empty', banks: [], events: [] })
    expect(errorOf(Buffer.alloc(0), { formats: ['agile', 'sha1'] }).code).toBe('EVENT_LOG_SPEC_ID_MISSING')
    expect(any(Buffer.alloc(64, 0xff))).toMatchObject({
      format: 'empty',
      padding: { bytes: 64, value: 0xff },
    })
  })
})

describe('the log of a confidential VM', () => {
  const banks = ['sha384'] as const
  const inRegister1 = specId(banks)
  inRegister1.writeUInt32LE(1)
  const action = Buffer.from('Exit Boot Services Returned with Success')

  it('has its header in register 1, which says that it is one', () => {
    const log = any(inRegister1, event(1, EV_IPL, data, { banks }))
    expect(log.format).toBe('ccel')
    expect(describeEventLog(log).registers).toBe('cc')
    expect(errorOf(inRegister1).code).toBe('EVENT_LOG_SPEC_ID_MISSING')
    const inRegister2 = Buffer.from(inRegister1)
    inRegister2.writeUInt32LE(2)
    expect(errorOf(inRegister2, ANY_EVENT_LOG).code).toBe('EVENT_LOG_SPEC_ID_MISSING')
  })

  it('has five registers, and a separator for each PCR that a register stands for', () => {
    const separators = [1, 1, 2, 2, 3].map(register => event(register, EV_SEPARATOR, u32le(0), { banks }))
    const log = any(inRegister1, ...separators, event(2, EV_EFI_ACTION, action, { banks }))
    const replay = replayEventLog(log, 'sha384', { registers: 'cc' })
    expect(replay.problems).toEqual([])
    expect([...replay.extended]).toEqual([1, 2, 3])
    expect(replay.exitBootServices).toBe(true)
    const asTpm = replayEventLog(log, 'sha384').problems.map(({ code }) => code)
    expect(asTpm).toEqual(['EVENT_LOG_SEPARATOR', 'EVENT_LOG_SEPARATOR'])
    const beyond = any(inRegister1, event(5, EV_IPL, data, { banks }))
    expect(replayEventLog(beyond, 'sha384', { registers: 'cc' }).problems[0]?.code).toBe(
      'EVENT_LOG_PCR_OUT_OF_RANGE',
    )
  })

  it('has separators of 0 and 0xFFFFFFFF, like any other', () => {
    const log = any(inRegister1, event(1, EV_SEPARATOR, u32le(1), { banks }))
    expect(replayEventLog(log, 'sha384', { registers: 'cc' }).problems[0]?.code).toBe('EVENT_LOG_SEPARATOR')
  })

  it('reads SecureBoot before the first separator of register 1', () => {
    const secureBoot = event(1, EV_EFI_VARIABLE_DRIVER_CONFIG, variable('SecureBoot', Buffer.of(1)), {
      banks,
    })
    const end = event(1, EV_SEPARATOR, u32le(0), { banks })
    const state = (...parts: Buffer[]) =>
      replayEventLog(any(inRegister1, ...parts), 'sha384', { registers: 'cc' }).secureBoot
    expect([state(secureBoot, end), state(end, secureBoot)]).toEqual([true, null])
  })
})

describe('padding', () => {
  const log = [specId(), event(4, EV_IPL, data)]
  const size = Buffer.concat(log).length

  it.each([0x00, 0xff] as const)(
    'of 0x%i is what ends a log area, and damage in what a kernel gives',
    value => {
      for (const bytes of [1, 3, 8, 4096]) {
        const padded = Buffer.concat([...log, Buffer.alloc(bytes, value)])
        expect(parseEventLog(padded, ANY_EVENT_LOG).padding).toEqual({ offset: size, bytes, value })
        expect(parseEventLog(padded, ANY_EVENT_LOG).events.length).toBe(1)
        expect(errorOf(padded).offset).toBe(size)
      }
    },
  )

  it('has one value, and nothing behind it', () => {
    for (const tail of [
      [0xff, 0x00],
      [0x00, 0xff],
      [0x07, 0x07],
      [0xff, 0xff, 0x01],
    ]) {
      expect(errorOf(Buffer.concat([...log, Buffer.from(tail)]), ANY_EVENT_LOG).code).toBe(
        'EVENT_LOG_TRUNCATED',
      )
    }
  })

  it('is no part of an event that ends in such bytes', () => {
    const zeros = event(4, EV_IPL, Buffer.alloc(100))
    expect(any(specId(), zeros)).toMatchObject({ padding: null, events: [{ pcr: 4 }] })
  })

  it('is found in one look at each byte', () => {
    // Each of these could be taken for the beginning of a padding that goes on to the end.
    const many = Array.from({ length: 20_000 }, () => sha1Event(0, 0, Buffer.alloc(0), null))
    const bytes = Buffer.concat([...many, sha1Event(4, EV_IPL, data)])
    const start = performance.now()
    expect(parseEventLog(bytes, ANY_EVENT_LOG).events.length).toBe(20_001)
    expect(performance.now() - start).toBeLessThan(2_000)
  })
})

describe('historic failure: unbounded allocation by a length in the log', () => {
  it('no length allocates: 4 GiB of data, of digests, of banks, of vendor info', () => {
    const before = process.memoryUsage()
    const lies = [
      [specId(), 8, 0xffffffff],
      [specId(), 12, 0x7fffffff],
    ] as const
    for (const [log, at, value] of lies) {
      const bytes = Buffer.concat([log, event(4, EV_IPL, data)])
      bytes.writeUInt32LE(value, log.length + at)
      expect(errorOf(bytes, ANY_EVENT_LOG)).toBeInstanceOf(EventLogError)
    }
    const after = process.memoryUsage()
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(16 << 20)
  })

  it('many tiny events end at a limit, however many bytes there are', () => {
    const tiny = event(4, EV_NO_ACTION, Buffer.alloc(0))
    const log = Buffer.concat([specId(), ...Array.from({ length: MAX_EVENTS + 1 }, () => tiny)])
    expect(errorOf(log)).toMatchObject({ code: 'EVENT_LOG_TOO_LARGE', at: `event ${MAX_EVENTS + 1}` })
  })
})

describe('historic failure: relabelled event types', () => {
  const exit = Buffer.from('Exit Boot Services Returned with Success')

  it('a type selects how data is read, and what it then says counts only if the digest is that of the data', () => {
    // The digest of a program, relabelled as an action with a text of the attacker's.
    const relabelled = event(5, EV_EFI_ACTION, exit, { digestOf: Buffer.from('a program') })
    const replay = replayEventLog(any(specId(), relabelled), 'sha256')
    expect(replay.exitBootServices).toBe(false)
    expect(replay.problems.map(({ code }) => code)).toEqual(['EVENT_LOG_DATA_MISMATCH'])
  })

  it('what hides behind another type is not told, and changes no value', () => {
    const plain = replayEventLog(any(specId(), event(5, EV_EFI_ACTION, exit)), 'sha256')
    const hidden = replayEventLog(any(specId(), event(5, EV_IPL, exit)), 'sha256')
    expect([plain.exitBootServices, hidden.exitBootServices]).toEqual([true, false])
    expect(hidden.pcrs).toEqual(plain.pcrs)
  })

  it('an extended event relabelled as EV_NO_ACTION gives another value', () => {
    const log = [event(4, EV_IPL, data), event(4, EV_IPL, exit)]
    const relabelled = Buffer.from(log[1] ?? [])
    relabelled.writeUInt32LE(EV_NO_ACTION, 4)
    const value = (...parts: Buffer[]) => replayEventLog(any(specId(), ...parts), 'sha256').pcrs.get(4)
    expect(value(log[0] ?? data, relabelled)).not.toEqual(value(...log))
  })

  it('the text of the end of boot services counts in the PCR of the firmware only', () => {
    const state = (pcr: number) =>
      replayEventLog(any(specId(), event(pcr, EV_EFI_ACTION, exit)), 'sha256').exitBootServices
    expect([state(5), state(14), state(16)]).toEqual([true, false, false])
  })

  it('a separator moved to another PCR opens nothing: each PCR has its own', () => {
    const log = any(
      specId(),
      separator(6),
      event(7, EV_EFI_VARIABLE_DRIVER_CONFIG, variable('SecureBoot', Buffer.of(1))),
    )
    expect(replayEventLog(log, 'sha256').secureBoot).toBe(true)
  })
})

describe('H-CRTM', () => {
  const EV_EFI_HCRTM_EVENT = 0x80000010
  const digest = hash('sha256', data, 'buffer')
  const hcrtm = event(0, EV_EFI_HCRTM_EVENT, Buffer.from('HCRTM'), { digestOf: data })
  const four = Buffer.alloc(32)
  four[31] = 4

  it('leaves PCR 0 at 4 where no startup locality says so', () => {
    const replay = replayEventLog(any(specId(), hcrtm), 'sha256')
    expect(replay.pcrs.get(0)).toEqual(extend(four, digest))
    expect(replay).toMatchObject({ startupLocality: 4, problems: [] })
  })

  it('counts only as the first thing in PCR 0, and not against what a startup locality says', () => {
    const late = replayEventLog(any(specId(), event(0, EV_IPL, data), hcrtm), 'sha256')
    expect(late.pcrs.get(0)).toEqual(extend(Buffer.alloc(32), digest, digest))
    const said = event(0, EV_NO_ACTION, Buffer.from('StartupLocality\0\x03', 'latin1'))
    expect(replayEventLog(any(specId(), said, hcrtm), 'sha256').startupLocality).toBe(3)
    const elsewhere = event(1, EV_EFI_HCRTM_EVENT, Buffer.from('HCRTM'))
    expect(replayEventLog(any(specId(), elsewhere), 'sha256').startupLocality).toBe(0)
  })
})
