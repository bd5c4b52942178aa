import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  ANY_EVENT_LOG,
  type BankName,
  describeEventLog,
  type EventLog,
  EventLogError,
  judgeEventLog,
  parseEventLog,
  QUIRKS,
  type QuotedPcrs,
  replayAll,
} from '../../attestation/index.ts'
import { fixture } from './recorded-host.ts'
import {
  EV_EFI_ACTION,
  EV_EFI_VARIABLE_AUTHORITY,
  EV_EFI_VARIABLE_DRIVER_CONFIG,
  EV_IPL,
  EV_NO_ACTION,
  EV_SEPARATOR,
  event,
  sha1Event,
  specId,
  startupLocality,
  u32le,
  variable,
} from './tcg-log.ts'

/** `FUZZ_RUNS` for a long run; a short one belongs to every test run. */
const RUNS = { numRuns: Number(process.env.FUZZ_RUNS ?? 400) }
const QUIRK_NAMES = QUIRKS.map(({ name }) => name)

/** What an event is made of: everything that somebody who writes a log can choose. */
interface Made {
  readonly pcr: number
  readonly type: number
  readonly data: Uint8Array
  readonly honest: boolean
}

const dataOf: fc.Arbitrary<Uint8Array> = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc.constantFrom(u32le(0), u32le(0xffffffff), u32le(1)),
  fc
    .constantFrom('StartupLocality\0\x03', 'StartupLocality\0\x04', 'Spec ID Event03\0', 'HCRTM')
    .map(Buffer.from),
  fc.constant(Buffer.from('Exit Boot Services Returned with Success')),
  fc
    .tuple(fc.constantFrom('SecureBoot', 'db', 'PK'), fc.uint8Array({ maxLength: 4 }))
    .map(([n, v]) => variable(n, v)),
)
const made: fc.Arbitrary<Made> = fc.record({
  pcr: fc.oneof(fc.nat({ max: 25 }), fc.constantFrom(0, 5, 7, 0xffffffff)),
  type: fc.constantFrom(
    EV_NO_ACTION,
    EV_SEPARATOR,
    EV_IPL,
    EV_EFI_ACTION,
    EV_EFI_VARIABLE_DRIVER_CONFIG,
    EV_EFI_VARIABLE_AUTHORITY,
    0x80000010,
    0x80000003,
    0x6,
    0xffffffff,
  ),
  data: dataOf,
  honest: fc.boolean(),
})
const other = { digestOf: Buffer.from('something else') }

/** A log that parses, of any format. */
const wellFormed: fc.Arbitrary<Buffer> = fc
  .tuple(fc.array(made, { maxLength: 12 }), fc.constantFrom('agile', 'two banks', 'sha1'))
  .map(([events, form]) => {
    const banks = form === 'two banks' ? (['sha1', 'sha256'] as const) : (['sha256'] as const)
    const written = events.map(({ pcr, type, data, honest }) =>
      form === 'sha1'
        ? sha1Event(pcr, type, data, honest ? data : other.digestOf)
        : event(pcr, type, data, honest ? { banks } : { banks, ...other }),
    )
    return Buffer.concat(form === 'sha1' ? written : [specId(banks), ...written])
  })

/** Where the fields of a log begin, by its own lengths: what a structure-aware change aims at. */
function fieldsOf(bytes: Buffer): number[] {
  try {
    const log = parseEventLog(bytes, ANY_EVENT_LOG)
    return log.events.flatMap(({ offset, digests, data }) => {
      const size =
        log.format === 'sha1' ? 20 : Array.from(digests.values()).reduce((n, d) => n + 2 + d.length, 4)
      const length = offset + 8 + size
      return [offset, offset + 4, offset + 8, offset + 12, length, length + 4, length + 4 + data.length - 1]
    })
  } catch (error) {
    if (error instanceof EventLogError) return []
    throw error
  }
}

/** Changes at the fields: lengths, counts, indices and types become extreme, events are doubled, dropped and swapped. */
function structured(bytes: Buffer): fc.Arbitrary<Buffer> {
  const fields = [0, 28, 48, 52, 54, 56, ...fieldsOf(bytes)].filter(at => at + 4 <= bytes.length)
  if (fields.length === 0) return fc.constant(bytes)
  const at = fc.constantFrom(...fields)
  const edit = fc.oneof(
    fc.record({ at, value: fc.constantFrom(0, 1, 2, 3, 4, 7, 24, 0x7fffffff, 0x80000000, 0xffffffff) }),
    fc.record({ at, delta: fc.integer({ min: -3, max: 3 }) }),
    fc.record({ at, to: at, move: fc.constantFrom('cut', 'copy') }),
    fc.record({ at, flip: fc.nat({ max: 7 }) }),
  )
  return fc.array(edit, { minLength: 1, maxLength: 4 }).map(edits =>
    edits.reduce<Buffer>((log, e) => {
      const copy = Buffer.from(log)
      if ('value' in e && e.at + 4 <= copy.length) copy.writeUInt32LE(e.value, e.at)
      if ('delta' in e && e.at + 4 <= copy.length)
        copy.writeUInt32LE((copy.readUInt32LE(e.at) + e.delta) >>> 0, e.at)
      if ('flip' in e && e.at < copy.length) copy[e.at] = (copy[e.at] ?? 0) ^ (1 << e.flip)
      if (!('move' in e)) return copy
      const [from, to] = [Math.min(e.at, e.to), Math.max(e.at, e.to)]
      const end = e.move === 'cut' ? [] : [copy.subarray(from, to)]
      return Buffer.concat([copy.subarray(0, from), ...end, copy.subarray(e.move === 'cut' ? to : from)])
    }, bytes),
  )
}

const recorded = fixture('debian13-uki-secureboot', 'eventlog.bin')
const anything: fc.Arbitrary<Buffer> = fc.oneof(
  wellFormed,
  wellFormed.chain(structured),
  structured(recorded),
  fc.uint8Array({ maxLength: 200 }).map(bytes => Buffer.from(bytes)),
)

/** The log, or null for bytes that are none; anything thrown but the typed error is a failure of the test. */
function read(bytes: Buffer): EventLog | null {
  try {
    return parseEventLog(bytes, ANY_EVENT_LOG)
  } catch (error) {
    expect(error).toBeInstanceOf(EventLogError)
    const { offset } = error as EventLogError
    expect(offset).toBeGreaterThanOrEqual(0)
    expect(offset).toBeLessThanOrEqual(bytes.length)
    return null
  }
}

function honest(log: EventLog): Map<BankName, Map<number, Buffer>> {
  return new Map(
    replayAll(log).map(({ bank, pcrs, extended }) => [
      bank,
      new Map(Array.from(extended, pcr => [pcr, pcrs.get(pcr) ?? Buffer.alloc(0)])),
    ]),
  )
}

describe('any event log', () => {
  it('is described and judged, or is a typed error with a byte in the file', () => {
    fc.assert(
      fc.property(anything, fc.constantFrom<('tpm' | 'cc')[]>('tpm', 'cc'), (bytes, registers) => {
        const log = read(bytes)
        if (log === null) return
        describeEventLog(log, { registers, quirks: QUIRK_NAMES })
        const { reasons, verdict } = judgeEventLog(log, honest(log), { registers })
        expect(verdict).toBe(reasons.length === 0 ? 'accept' : 'reject')
      }),
      RUNS,
    )
  })

  it('has events that stand in the file one after another, with the bytes that they say', () => {
    fc.assert(
      fc.property(anything, bytes => {
        const log = read(bytes)
        let last = -1
        for (const { offset, data, pcr } of log?.events ?? []) {
          expect(offset).toBeGreaterThan(last)
          expect(bytes.readUInt32LE(offset)).toBe(pcr)
          expect(bytes.includes(data)).toBe(true)
          last = offset
        }
      }),
      RUNS,
    )
  })

  it('that is taken as the kernel gives it is taken as anything', () => {
    fc.assert(
      fc.property(anything, bytes => {
        let strict: EventLog | null = null
        try {
          strict = parseEventLog(bytes)
        } catch (error) {
          expect(error).toBeInstanceOf(EventLogError)
        }
        if (strict !== null) expect(replayAll(read(bytes) ?? strict)).toEqual(replayAll(strict))
      }),
      RUNS,
    )
  })
})

describe('a judgement', () => {
  it('rejects every other value of a PCR that the log extends, whatever quirks are on', () => {
    fc.assert(
      fc.property(wellFormed, fc.nat(), fc.nat({ max: 255 }), (bytes, which, byte) => {
        const log = read(bytes)
        const all =
          log === null
            ? []
            : Array.from(honest(log)).flatMap(([b, v]) => Array.from(v, ([p, x]) => ({ b, p, x })))
        const target = all[which % Math.max(all.length, 1)]
        if (log === null || target === undefined) return
        const value = Buffer.from(target.x)
        value[byte % value.length] = (value[byte % value.length] ?? 0) ^ 1
        const quoted: QuotedPcrs = new Map([[target.b, new Map([[target.p, value]])]])
        expect(judgeEventLog(log, quoted).verdict).toBe('reject')
        expect(judgeEventLog(log, quoted, { quirks: QUIRK_NAMES }).verdict).toBe('reject')
      }),
      RUNS,
    )
  })

  it('accepts with quirks what it accepts without, and with the same facts', () => {
    fc.assert(
      fc.property(wellFormed, bytes => {
        const log = read(bytes)
        if (log === null) return
        const plain = judgeEventLog(log, honest(log))
        if (plain.verdict === 'accept') {
          expect(judgeEventLog(log, honest(log), { quirks: QUIRK_NAMES })).toEqual(plain)
        }
      }),
      RUNS,
    )
  })

  it('never says that Secure Boot is on but from a measured variable before the separator of PCR 7', () => {
    const on = event(7, EV_EFI_VARIABLE_DRIVER_CONFIG, variable('SecureBoot', Buffer.of(1)))
    const separator7 = event(7, EV_SEPARATOR, u32le(0))
    const noise = fc.array(
      made.filter(
        ({ pcr, data }) => pcr !== 7 || !Buffer.from(data).includes(Buffer.from('SecureBoot', 'utf16le')),
      ),
      { maxLength: 4 },
    )
    const events = noise.map(list => list.map(m => event(m.pcr, m.type, m.data, m.honest ? {} : other)))
    fc.assert(
      fc.property(events, events, (before, behind) => {
        const log = read(Buffer.concat([specId(), ...before, separator7, ...behind, on]))
        if (log !== null) expect(describeEventLog(log).secureBoot).toBe(null)
      }),
      RUNS,
    )
  })

  it('of PCR 0 depends on the startup locality', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 8 }), data => {
        const measured = event(0, EV_IPL, data)
        const zero = read(Buffer.concat([specId(), measured]))
        const three = read(Buffer.concat([specId(), startupLocality(3), measured]))
        if (zero === null || three === null) throw new Error('these parse')
        expect(judgeEventLog(three, honest(zero)).verdict).toBe('reject')
        expect(judgeEventLog(zero, honest(three)).verdict).toBe('reject')
      }),
      RUNS,
    )
  })
})
