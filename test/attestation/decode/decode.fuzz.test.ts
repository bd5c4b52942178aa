import { hash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type DecodedEvent,
  decodedEventJson,
  decodeEvent,
  decodeEvents,
  GUID,
} from '../../../attestation/eventlog/decode/index.ts'
import { parseEventLog, type TcgEvent } from '../../../attestation/eventlog/index.ts'
import { readSecureBoot } from '../../../attestation/eventlog/secure-boot/index.ts'
import { fixture } from '../recorded-host.ts'
import { u32le } from '../tcg-log.ts'
import {
  END_OF_PATH,
  guid,
  loggedEvent,
  node,
  signatureList,
  u64le,
  utf16,
  variableData,
} from './event-data.ts'

/** More with a larger number, for example in a night. */
const RUNS = Number(process.env.WRIT_FUZZ_RUNS ?? 400)

const recorded = ['debian13-uki', 'debian13-uki-secureboot'].flatMap(
  host => parseEventLog(fixture(host, 'eventlog.bin')).events,
)
/** Every type that has a decoder, and some that have none. */
const TYPES = [
  ...Array.from({ length: 0x15 }, (_, i) => i),
  ...Array.from({ length: 0x12 }, (_, i) => 0x80000000 + i),
  ...Array.from({ length: 6 }, (_, i) => 0x800000e0 + i),
]

/** Numbers that lengths and counts go wrong with. */
const edge = fc.constantFrom(0, 1, 2, 16, 28, 48, 0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff)

/** Changes that keep most of the structure: one field of some width set to an awkward number, bytes cut out, doubled or put in. */
function mutated(seed: Buffer): fc.Arbitrary<Buffer> {
  const at = fc.nat({ max: Math.max(0, seed.length - 1) })
  const edit = fc.oneof(
    fc.record({ kind: fc.constant('u32' as const), at, value: edge }),
    fc.record({ kind: fc.constant('u16' as const), at, value: edge }),
    fc.record({ kind: fc.constant('byte' as const), at, value: fc.nat({ max: 255 }) }),
    fc.record({ kind: fc.constant('cut' as const), at, value: fc.nat({ max: 64 }) }),
    fc.record({ kind: fc.constant('twice' as const), at, value: fc.nat({ max: 96 }) }),
  )
  return fc.array(edit, { minLength: 1, maxLength: 6 }).map(edits =>
    edits.reduce<Buffer>((bytes, { kind, at: where, value }) => {
      const copy = Buffer.from(bytes)
      if (kind === 'u32' && where + 4 <= copy.length) copy.writeUInt32LE(value, where)
      if (kind === 'u16' && where + 2 <= copy.length) copy.writeUInt16LE(value & 0xffff, where)
      if (kind === 'byte' && where < copy.length) copy[where] = value
      if (kind === 'cut') return Buffer.concat([copy.subarray(0, where), copy.subarray(where + value)])
      if (kind === 'twice') return Buffer.concat([copy.subarray(0, where + value), copy.subarray(where)])
      return copy
    }, seed),
  )
}

/** The fields that claim to be bound, by name. */
function boundFields(decoded: DecodedEvent): Map<string, unknown> {
  const fields = Object.entries(decoded).flatMap(([name, value]) =>
    typeof value === 'object' && value !== null && 'bound' in value && value.bound
      ? [[name, value.value] as const]
      : [],
  )
  return new Map(fields)
}

const recordedEvent = fc.constantFrom(...recorded)

describe('decoding an event', () => {
  it('gives a result for any bytes of any type', () => {
    const any = fc.tuple(fc.constantFrom(...TYPES), fc.uint8Array({ maxLength: 512 }))
    fc.assert(
      fc.property(any, ([type, bytes]) => {
        const json = decodedEventJson(decodeEvent(loggedEvent(type, bytes), 'sha256'))
        expect(JSON.parse(JSON.stringify(json))).toHaveProperty('kind')
      }),
      { numRuns: RUNS },
    )
  })

  it('gives a result for recorded events that were changed, as any type', () => {
    const changed = recordedEvent.chain(event =>
      fc.tuple(mutated(event.data), fc.oneof(fc.constant(event.type), fc.constantFrom(...TYPES))),
    )
    fc.assert(
      fc.property(changed, ([bytes, type]) => {
        decodeEvent(loggedEvent(type, bytes, { pcr: 7 }), 'sha256')
      }),
      { numRuns: RUNS },
    )
  })

  it('never calls bound what the digest does not cover: no change of the data changes a bound value', () => {
    const changed = recordedEvent.chain(event => fc.tuple(fc.constant(event), mutated(event.data)))
    fc.assert(
      fc.property(changed, ([event, bytes]) => {
        const before = boundFields(decodeEvent(event, 'sha256'))
        const after = boundFields(decodeEvent({ ...event, data: bytes }, 'sha256'))
        for (const [name, value] of after) {
          // Where nothing binds the name of a variable the host chooses how its bytes are read.
          if (name === 'contents' && !after.has('name')) continue
          // The trailing bytes that shim logs are read as part of the variable's padding.
          expect(before.get(name), name).toEqual(value)
        }
      }),
      { numRuns: RUNS * 2 },
    )
  })

  it('binds nothing when the digest is another', () => {
    fc.assert(
      fc.property(recordedEvent, event => {
        const other: TcgEvent = {
          ...event,
          digests: new Map([['sha256', hash('sha256', 'other', 'buffer')]]),
        }
        const fields = boundFields(decodeEvent(other, 'sha256'))
        fields.delete('digest')
        expect([...fields.keys()]).toEqual([])
      }),
    )
  })
})

describe('reading Secure Boot', () => {
  it('gives a result for any order and choice of recorded events, some of them changed', () => {
    const some = recordedEvent.chain(event =>
      fc.oneof(
        fc.constant(event),
        mutated(event.data).map(data => loggedEvent(event.type, data, { pcr: event.pcr })),
      ),
    )
    fc.assert(
      fc.property(fc.array(some, { maxLength: 40 }), events => {
        const facts = readSecureBoot(decodeEvents(events, 'sha256'))
        expect([true, false, null]).toContain(facts.enabled)
      }),
      { numRuns: Math.ceil(RUNS / 4) },
    )
  })
})

describe('data that are made to cost', () => {
  const owner = guid(GUID.shimLock)
  const path = (count: number): Buffer =>
    Buffer.concat([...Array.from({ length: count }, () => node(1, 5, u32le(0))), END_OF_PATH])
  const many = (bytes: Buffer, total: number): Buffer => Buffer.alloc(total, bytes)
  const tiny = '00000000-1111-2222-3333-444444444444'
  const db = (list: Buffer): Buffer => variableData(GUID.imageSecurityDatabase, 'db', list)
  const variable = 0x80000001
  const megabyte = 1 << 20

  it.each<[string, number, Buffer]>([
    [
      'digests',
      variable,
      db(
        signatureList(
          'c1c41626-504c-4092-aca9-41f936934328',
          Array.from({ length: 4000 }, () => Buffer.alloc(48)),
        ),
      ),
    ],
    [
      'certificates that are none',
      variable,
      db(
        signatureList(
          'a5c059a1-94e4-4aa7-87b5-ab155c2bf072',
          Array.from({ length: 256 }, () => Buffer.concat([owner, Buffer.of(0x30, 2, 0x30, 0x80)])),
        ),
      ),
    ],
    [
      'entries of one byte',
      variable,
      db(signatureList(tiny, [many(Buffer.of(1), 17 * 60_000)], { size: 17 })),
    ],
    ['GUIDs', variable, variableData(GUID.globalVariable, 'SignatureSupport', many(owner, megabyte))],
    [
      'boot options',
      variable,
      variableData(GUID.globalVariable, 'BootOrder', many(Buffer.of(1, 0), megabyte)),
    ],
    [
      'lines of SBAT',
      0x800000e0,
      variableData(GUID.shimLock, 'SbatLevel', many(Buffer.from('sbat,1\n'), megabyte)),
    ],
    [
      'a description without end',
      variable,
      variableData(GUID.globalVariable, 'Boot0000', many(Buffer.of(65, 0), megabyte)),
    ],
    ['nodes of a path', 0x80000003, Buffer.concat([u64le(0, 0, 0, 8 * 100_000 + 4), path(100_000)])],
    ['tables', 0x80000009, Buffer.concat([u64le(40_000), Buffer.alloc(24 * 40_000)])],
    ['a command', 0xd, Buffer.concat([Buffer.from('grub_cmd: '), many(Buffer.from('a'), megabyte)])],
    ['UTF-16', 0xd, Buffer.concat([many(utf16('a'), megabyte), Buffer.alloc(2)])],
    ['ASCII', 0x5, many(Buffer.from('a'), megabyte)],
  ])('%s: no more than 100 ms', (_, type, data) => {
    const event = loggedEvent(type, data)
    // The best of some: other processes take the processor away, and the first run is not compiled.
    const times = Array.from({ length: 4 }, () => {
      const start = performance.now()
      decodeEvent(event, 'sha256')
      return performance.now() - start
    })
    expect(Math.min(...times)).toBeLessThan(100)
  })
})
