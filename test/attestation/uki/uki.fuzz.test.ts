import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  authenticodeDigests,
  imageInMemory,
  parseUserspaceLog,
  readMeasurement,
  readPeImage,
  readUki,
  replayNvPcrs,
  UkiError,
  UserspaceLogError,
  ukiReference,
} from '../../../attestation/index.ts'
import { peImage, ukiImage } from '../../support/pe-image.ts'
import { fixture } from '../recorded-host.ts'

/** More with WRIT_FUZZ_RUNS. */
const RUNS = { numRuns: Number(process.env.WRIT_FUZZ_RUNS ?? 400) }
/** No input may take longer; generous, because the machine may be busy. */
const LIMIT_MS = 1000

const image = ukiImage([
  ['.linux', Buffer.from(peImage([{ name: '.text', data: Buffer.alloc(600, 1) }]))],
  ['.osrel', 'PRETTY_NAME=x'],
  ['.cmdline', 'quiet'],
  ['.dtbauto', 'tree'],
  ['.profile', 'ID=a'],
  ['.profile', 'ID=b'],
  ['.cmdline', 'debug'],
])
const PE = 0x80
const TABLE = PE + 24 + 112 + 16 * 8
/** Fields that decide, by their offset and width. */
const FIELDS: readonly (readonly [number, 2 | 4])[] = [
  [0x3c, 4],
  [PE + 6, 2],
  [PE + 20, 2],
  [PE + 24, 2],
  [PE + 24 + 60, 4],
  [PE + 24 + 108, 4],
  [PE + 24 + 112 + 32, 4],
  [PE + 24 + 112 + 36, 4],
  ...Array.from({ length: 9 }, (_, i) =>
    [8, 12, 16, 20].map(field => [TABLE + i * 40 + field, 4] as const),
  ).flat(),
]
const edge = fc.oneof(
  fc.constantFrom(0, 1, 2, 0x1ff, 0x200, 0x400, 0x7fff_ffff, 0x8000_0000, 0xffff_fe00, 0xffff_ffff),
  fc.constantFrom(image.length, image.length - 1, image.length + 1, TABLE, TABLE + 40),
  fc.nat({ max: 8192 }),
)

/** Images with some of their fields set to what breaks bounds. */
const structured = fc
  .array(fc.tuple(fc.constantFrom(...FIELDS), edge), { minLength: 1, maxLength: 4 })
  .map(edits => {
    const copy = Buffer.from(image)
    for (const [[offset, width], value] of edits) copy.writeUIntLE(value % 2 ** (8 * width), offset, width)
    return copy
  })

/** Bytes, some of them changed, cut out or put in. */
function mutated(seed: Buffer): fc.Arbitrary<Buffer> {
  const edit = fc.record({
    at: fc.nat({ max: seed.length }),
    cut: fc.nat({ max: 40 }),
    put: fc.uint8Array({ maxLength: 40 }),
  })
  return fc
    .array(edit, { minLength: 1, maxLength: 6 })
    .map(edits =>
      edits.reduce<Buffer>(
        (bytes, { at, cut, put }) => Buffer.concat([bytes.subarray(0, at), put, bytes.subarray(at + cut)]),
        seed,
      ),
    )
}

/** Any input gives a result or this error, in bounded time. */
function survives(
  inputs: fc.Arbitrary<Buffer>,
  error: new (...args: never[]) => Error,
  read: (bytes: Buffer) => void,
): void {
  fc.assert(
    fc.property(inputs, bytes => {
      const start = performance.now()
      try {
        read(bytes)
      } catch (thrown) {
        expect(thrown).toBeInstanceOf(error)
      }
      expect(performance.now() - start).toBeLessThan(LIMIT_MS)
    }),
    RUNS,
  )
}

describe('images', () => {
  const readAll = (bytes: Buffer): void => {
    authenticodeDigests(readPeImage(imageInMemory(bytes)), ['sha256'])
    ukiReference(readUki(bytes), { banks: ['sha1', 'sha256'], phases: ['', 'sysinit:ready'] })
  }

  it('any bytes give a result or a typed error', () => {
    survives(fc.uint8Array({ maxLength: 512 }).map(Buffer.from), UkiError, readAll)
    survives(mutated(image), UkiError, readAll)
  })

  it('so do images whose headers lie', () => survives(structured, UkiError, readAll))

  it('never reads outside the file, nor more at once than a megabyte', () => {
    fc.assert(
      fc.property(structured, bytes => {
        const source = {
          size: bytes.length,
          read(offset: number, length: number): Buffer {
            if (offset < 0 || length < 0 || offset + length > bytes.length || length > 1 << 20)
              expect.unreachable(`${length} bytes at ${offset} of ${bytes.length}`)
            return bytes.subarray(offset, offset + length)
          },
        }
        try {
          ukiReference(readUki(source), { banks: ['sha256'], phases: ['ready'] })
        } catch (error) {
          expect(error).toBeInstanceOf(UkiError)
        }
      }),
      RUNS,
    )
  })
})

describe('the user-space log', () => {
  const readAll = (bytes: Buffer): void => {
    const { events } = parseUserspaceLog(bytes)
    for (const event of events) readMeasurement(event)
    replayNvPcrs(events, 'sha256')
  }
  const text = fc.oneof(
    fc.constantFrom(
      'machine-id:',
      'file-system:',
      'cryptsetup:',
      'cryptsetup-keyslot:',
      'verity:',
      'login:',
      'product-id:',
    ),
    fc.constantFrom(
      'nvpcr-init:a:0x1d10200:sha256:00',
      'nvpcr-init:a:0x1d10200:000b',
      'nvpcr-separator',
      'sysinit',
    ),
    fc.string({ unit: 'binary', maxLength: 40 }),
  )
  const value = fc.oneof(
    fc.integer(),
    fc.double(),
    text,
    fc.constant(null),
    fc.boolean(),
    fc.object({ maxDepth: 1 }),
  )
  const digest = fc.record({
    hashAlg: fc.oneof(fc.constantFrom('sha1', 'sha256', 'sha384', 'sm3_256'), value),
    digest: fc.oneof(fc.constantFrom('00'.repeat(20), 'ab'.repeat(32), '0', ''), value),
  })
  const record = fc.record(
    {
      pcr: fc.oneof(fc.integer({ min: -1, max: 25 }), value),
      nv_index: fc.oneof(fc.constantFrom(0x1d10200, 0x1ffffff), value),
      rtmr: value,
      digests: fc.oneof(fc.array(digest, { maxLength: 4 }), value),
      content_type: value,
      content: fc.oneof(
        fc.record({
          string: fc.tuple(text, text).map(([a, b]) => a + b),
          eventType: value,
          nvIndexName: value,
        }),
        value,
      ),
    },
    { requiredKeys: ['digests'] },
  )
  const log = fc
    .array(record, { maxLength: 5 })
    .map(records => Buffer.from(records.map(one => `\x1e${JSON.stringify(one)}\n`).join('')))

  it('any bytes give a result or a typed error', () => {
    survives(fc.uint8Array({ maxLength: 300 }).map(Buffer.from), UserspaceLogError, readAll)
    survives(mutated(fixture('debian13-uki', 'userspace.jsonseq')), UserspaceLogError, readAll)
  })

  it('so do records of any content', () => survives(log, UserspaceLogError, readAll))

  it('is read to its end, or to the record that is being written', () => {
    fc.assert(
      fc.property(log, fc.nat(), (bytes, cut) => {
        const at = bytes.length === 0 ? 0 : cut % bytes.length
        let whole: ReturnType<typeof parseUserspaceLog> | null = null
        try {
          whole = parseUserspaceLog(bytes)
        } catch {
          return
        }
        const { events, pending } = parseUserspaceLog(bytes.subarray(0, at))
        expect(events).toEqual(whole.events.slice(0, events.length))
        expect(pending === null ? at : pending.offset + pending.length).toBe(at)
      }),
      RUNS,
    )
  })
})
