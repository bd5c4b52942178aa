import { describe, expect, it } from 'vitest'
import {
  ANY_EVENT_LOG,
  decodedEventJson,
  decodeEvent,
  parseEventLog,
  parseQuoteAttest,
  readImaLog,
} from '../../../attestation/index.ts'
import { parsePublicArea } from '../../../attestation/tpm2/structures/index.ts'
import { readUki } from '../../../attestation/uki/index.ts'
import { WritError } from '../../../encoding/error.ts'
import { imaEntry } from '../ima-log.ts'
import { event, specId, u16le, u32le } from '../tcg-log.ts'

const HUGE = u32le(0xffffffff)
const HUGE64 = Buffer.alloc(8, 0xff)

/** Bytes that the process took on, and whether what was thrown is typed. */
function cost(work: () => unknown): { grown: number; ms: number } {
  const before = process.memoryUsage()
  const start = performance.now()
  try {
    work()
  } catch (error) {
    if (!(error instanceof WritError)) throw error
  }
  const after = process.memoryUsage()
  return {
    grown: after.heapUsed + after.external - before.heapUsed - before.external,
    ms: performance.now() - start,
  }
}

/**
 * Unbounded allocation: google/go-attestation issues 126 (an event said to have 3 GB) and 512 (sixteen lengths that were believed). No length in the bytes of a
 * host allocates anything: it is first held against what is there.
 */
describe('unbounded allocation (go-attestation 126 and 512)', () => {
  const data = (...parts: Buffer[]) => Buffer.concat([specId(), event(1, 0x80000006, Buffer.concat(parts))])
  const decodeAll = (log: Buffer) => () =>
    parseEventLog(log, ANY_EVENT_LOG).events.map(logged =>
      JSON.stringify(decodedEventJson(decodeEvent(logged, 'sha256'))),
    )
  const variableEvent = (...parts: Buffer[]) =>
    Buffer.concat([specId(), event(7, 0x80000001, Buffer.concat([Buffer.alloc(16, 1), ...parts]))])
  const spec = (...parts: Buffer[]) =>
    specId([], {
      data: Buffer.concat([Buffer.from('Spec ID Event03\0'), u32le(0), Buffer.of(0, 2, 0, 2), ...parts]),
    })
  const ima = imaEntry({ path: '/x' })
  const imaWith = (at: number) => Buffer.concat([ima.subarray(0, at), HUGE, ima.subarray(at + 4)])
  const sha1Event = Buffer.from('3430303439333334', 'hex')

  it.each<[string, () => unknown]>([
    [
      'the event of issue 126',
      decodeAll(
        Buffer.concat([sha1Event, Buffer.alloc(20, 0x31), Buffer.from('47efbfbd', 'hex'), Buffer.alloc(80)]),
      ),
    ],
    [
      'an event of 4 GB',
      decodeAll(Buffer.concat([specId(), u32le(0, 1, 1), u16le(11), Buffer.alloc(32), HUGE])),
    ],
    ['4 billion digests', decodeAll(Buffer.concat([specId(), u32le(0, 1), HUGE, Buffer.alloc(64)]))],
    ['4 billion banks', decodeAll(spec(HUGE, u16le(11), u16le(32)))],
    ['a bank of 65,535 bytes', decodeAll(spec(u32le(1), u16le(11), u16le(0xffff), Buffer.of(0)))],
    ['a variable’s name of 2^64 characters', decodeAll(variableEvent(HUGE64, HUGE64, Buffer.alloc(32)))],
    [
      'a variable’s name of 2^63 characters',
      decodeAll(variableEvent(Buffer.from('0000000000000080', 'hex'), Buffer.alloc(8))),
    ],
    [
      'a list of 4 GB of signatures',
      decodeAll(
        variableEvent(
          Buffer.from('0200000000000000', 'hex'),
          Buffer.from('1c00000000000000', 'hex'),
          Buffer.from('d\0b\0'),
          Buffer.alloc(16, 1),
          HUGE,
          HUGE,
          HUGE,
        ),
      ),
    ],
    ['2^64 partitions', decodeAll(data(Buffer.from('EFI PART'), Buffer.alloc(84), HUGE64))],
    ['an IMA template’s name of 4 GB', () => readImaLog(imaWith(24))],
    ['an IMA template of 4 GB', () => readImaLog(imaWith(24 + 4 + ima.readUInt32LE(24)))],
    ['a TPM structure of 65,535 bytes', () => parseQuoteAttest(Buffer.from('ff5443478018ffff', 'hex'))],
    ['a public area of 65,535 bytes', () => parsePublicArea(Buffer.from('0023000b00050072ffff', 'hex'))],
    [
      'an image of 65,535 sections',
      () =>
        readUki(
          Buffer.concat([
            Buffer.from('MZ'),
            Buffer.alloc(58),
            u32le(64),
            Buffer.from('PE\0\0'),
            u16le(0x8664),
            u16le(0xffff),
            Buffer.alloc(16),
          ]),
        ),
    ],
  ])('%s costs nothing', (_, work) => {
    work instanceof Function && cost(work)
    const { grown, ms } = cost(work)
    expect(grown).toBeLessThan(4 << 20)
    expect(ms).toBeLessThan(1000)
  })

  it('what is made of a log is a small multiple of its bytes, also for the smallest events there are', () => {
    const smallest = Buffer.concat([u32le(0, 1, 1), u16le(11), Buffer.alloc(32), u32le(0)])
    const log = Buffer.concat([specId(), ...Array.from({ length: 20_000 }, () => smallest)])
    cost(() => parseEventLog(log))
    expect(cost(() => parseEventLog(log)).grown).toBeLessThan(64 << 20)
    const more = Buffer.concat([log, ...Array.from({ length: 20_000 }, () => smallest)])
    expect(() => parseEventLog(more)).toThrow(WritError)
  })
})
