import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { ClockWatch } from '../../authorization/index.ts'
import { sha256Hex } from '../../encoding/digest.ts'
import { LineageError, parseEvent, readSnapshot, snapshotPieces, Tally } from '../../lineage/index.ts'
import { systemIo } from '../../lineage/writer/io.ts'
import { StateFiles } from '../../lineage/writer/state.ts'
import { MemoryLog } from '../daemon/support/memory-log.ts'
import { Writer } from '../daemon/support/random-log.ts'
import { temporaryDirectory } from './support/log.ts'

const makeClock = (state?: ConstructorParameters<typeof ClockWatch>[0]) => new ClockWatch(state)
const encode = (tally: Tally) => Buffer.concat([...snapshotPieces(tally)])
const START = 'writ/snapshot/v1\n'.length + 4

/** What a log with something of everything adds up to. */
async function realSnapshot(): Promise<Buffer> {
  const log = new MemoryLog()
  const w = new Writer(log.lineage)
  await w.start(0)
  await w.document('policy', 'governance')
  await w.revoke('program')
  await w.appraise('pass', true, false)
  for (const n of [1, 2, 3]) await w.permit(n, n, n === 1 ? null : 1, 9000)
  for (const n of [1, 2]) await w.begin(n, n === 1 ? null : 1)
  await w.transition('ATTESTED', 'FAILED')
  await w.recover()
  await w.acceptRollback()
  await w.distrust()
  const tally = new Tally(makeClock)
  for (const { bytes } of await log.readEntries(0n, log.size)) tally.add(parseEvent(bytes))
  return encode(tally)
}

let real: Buffer
beforeAll(async () => {
  real = await realSnapshot()
})

/** What is read is what was written: a tally has one encoding. Anything else is refused with the one error that there is for it. */
function readOrRefuse(bytes: Buffer): 'read' | 'refused' {
  let tally: Tally
  try {
    tally = readSnapshot(bytes, makeClock)
  } catch (error) {
    if (error instanceof LineageError && error.code === 'SNAPSHOT_MALFORMED') return 'refused'
    throw error
  }
  if (!encode(tally).equals(bytes)) throw new Error('two encodings of one tally')
  return 'read'
}

/** The real one with another head. */
function withHead(change: (head: Head) => object): Buffer {
  const length = real.readUInt32BE(START - 4)
  const head = JSON.parse(real.subarray(START, START + length).toString()) as Head
  const text = Buffer.from(JSON.stringify(change(head)))
  const size = Buffer.alloc(4)
  size.writeUInt32BE(text.length)
  return Buffer.concat([real.subarray(0, START - 4), size, text, real.subarray(START + length)])
}

interface Head {
  uses: number
  governed: number
  executions: unknown[]
}

const rowsAt = () => START + real.readUInt32BE(START - 4)

describe('a snapshot', () => {
  it('any bytes are refused with a typed error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.nat(START + 40), (bytes, kept) => {
        readOrRefuse(Buffer.concat([real.subarray(0, kept), bytes]))
      }),
      { numRuns: 500 },
    )
  })

  it('every change of one byte, and every cut, is refused or is another snapshot', () => {
    expect(readOrRefuse(real)).toBe('read')
    const digest = sha256Hex(real)
    let refused = 0
    for (let at = 0; at < real.length; at++) {
      const changed = Buffer.from(real)
      changed[at] = (changed[at] as number) ^ (1 << (at % 8))
      if (readOrRefuse(changed) === 'refused') refused++
      else expect(sha256Hex(changed)).not.toBe(digest)
      expect(readOrRefuse(real.subarray(0, at))).toBe('refused')
    }
    // What can be changed so is numbers, text and the rows.
    expect(refused).toBeGreaterThan(real.length / 3)
    expect(readOrRefuse(Buffer.concat([real, Buffer.of(0)]))).toBe('refused')
  })

  it('has one encoding', () => {
    expect(readOrRefuse(withHead(head => head))).toBe('read')
    const others: [string, (head: Head) => object][] = [
      ['a field that nobody knows', head => ({ ...head, zero: 0 })],
      ['fields in another order', head => Object.fromEntries(Object.entries(head).reverse())],
      ['executions in another order', head => ({ ...head, executions: head.executions.toReversed() })],
      ['an execution twice', head => ({ ...head, executions: [...head.executions, head.executions.at(-1)] })],
      ['a number that is none', head => ({ ...head, horizonMs: 1.5 })],
      ['more uses than there are', head => ({ ...head, uses: head.uses + 1 })],
      ['fewer governed than there are', head => ({ ...head, governed: head.governed - 1 })],
      ['more than there can be', head => ({ ...head, uses: Number.MAX_SAFE_INTEGER })],
    ]
    for (const [what, change] of others)
      expect([what, readOrRefuse(withHead(change))]).toEqual([what, 'refused'])
  })

  it('has its rows in order, each key once, and none of an artifact that was not used', () => {
    const [at, width] = [rowsAt(), 74]
    const row = (n: number) => real.subarray(at + n * width, at + (n + 1) * width)
    const rest = real.subarray(at + 3 * width)
    const swapped = Buffer.concat([real.subarray(0, at), row(1), row(0), row(2), rest])
    const twice = Buffer.concat([real.subarray(0, at), row(0), row(0), row(2), rest])
    const unused = Buffer.from(real)
    unused.writeUInt32BE(0, at + 64)
    for (const bytes of [swapped, twice, unused]) expect(readOrRefuse(bytes)).toBe('refused')
    const governed = Buffer.concat([
      real.subarray(0, at + 3 * width),
      rest.subarray(32),
      rest.subarray(0, 32),
    ])
    expect(rest.length).toBe(64)
    expect(readOrRefuse(governed)).toBe('refused')
  })

  it('says that its head is longer than any', () => {
    const longer = Buffer.concat([real, Buffer.alloc(9 << 20, 0x20)])
    longer.writeUInt32BE((8 << 20) + 1, START - 4)
    expect(() => readSnapshot(longer, makeClock)).toThrow('its head is cut')
  })

  it('is none when more executions go on than it takes', async () => {
    const log = new MemoryLog()
    const w = new Writer(log.lineage)
    for (let n = 0; n <= 1 << 13; n++) await w.begin(n, null)
    const tally = new Tally(makeClock)
    for (const { bytes } of await log.readEntries(0n, log.size)) tally.add(parseEvent(bytes))
    expect(() => encode(tally)).toThrow(expect.objectContaining({ code: 'SNAPSHOT_TOO_LARGE' }))
  })

  it('is none when its head would be longer than one that is read', async () => {
    const log = new MemoryLog()
    const w = new Writer(log.lineage)
    // Each below the one before: their ancestors grow with the square of their number.
    for (let n = 0; n < 250; n++) await w.begin(n, n === 0 ? null : n - 1)
    for (let n = 250; n < 1250; n++) await w.begin(n, 249)
    const tally = new Tally(makeClock)
    for (const { bytes } of await log.readEntries(0n, log.size)) tally.add(parseEvent(bytes))
    expect(() => encode(tally)).toThrow(expect.objectContaining({ code: 'SNAPSHOT_TOO_LARGE' }))
  })
})

describe('where the newest snapshot is said to be', () => {
  const files = (directory: string) => new StateFiles(systemIo, directory, directory)

  it('any bytes in the file are a number or nothing', () => {
    const directory = temporaryDirectory()
    const text = fc.oneof(
      fc.uint8Array({ maxLength: 20 }).map(it => Buffer.from(it)),
      fc
        .tuple(fc.bigInt({ min: -2n, max: 10n ** 16n }), fc.constantFrom('\n', '', '\n\n', ' \n', '.0\n'))
        .map(([n, end]) => Buffer.from(`${n}${end}`)),
    )
    fc.assert(
      fc.property(text, bytes => {
        writeFileSync(join(directory, 'snapshot'), bytes)
        const hint = files(directory).readSnapshotHint()
        const isHint = /^[0-9]{1,15}\n$/.test(bytes.toString('latin1'))
        if (isHint !== (hint !== undefined)) throw new Error('read what it is not, or not what it is')
        if (hint !== undefined && !Number.isSafeInteger(hint)) throw new Error('not an index')
      }),
      { numRuns: 300 },
    )
  })

  it('is what was written, and nothing where there is no file, a link or a directory', async () => {
    const directory = temporaryDirectory()
    expect(files(directory).readSnapshotHint()).toBeUndefined()
    await files(directory).writeSnapshotHint(123_456)
    expect(files(directory).readSnapshotHint()).toBe(123_456)
    const [linked, made] = [temporaryDirectory(), temporaryDirectory()]
    symlinkSync(join(directory, 'snapshot'), join(linked, 'snapshot'))
    mkdirSync(join(made, 'snapshot'))
    expect([files(linked), files(made)].map(it => it.readSnapshotHint())).toEqual([undefined, undefined])
  })
})
