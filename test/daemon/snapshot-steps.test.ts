import { setImmediate } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { ClockWatch } from '../../authorization/index.ts'
import { Snapshots } from '../../daemon/history/snapshots.ts'
import { sha256, sha256Hex } from '../../encoding/digest.ts'
import { parseEvent, readSnapshotInSteps, snapshotPieces, Tally } from '../../lineage/index.ts'
import { MemoryLog } from './support/memory-log.ts'
import { Writer } from './support/random-log.ts'

const ROWS = 60_000
/** The most rows that anybody waits for. A part has a 256th of the digests, more or less. */
const MOST_ROWS = 2048
const ROW_BYTES = 74
const makeClock = (state?: ConstructorParameters<typeof ClockWatch>[0]) => new ClockWatch(state)

/** What a log adds up to in which as many artifacts were used, each for a program of its own. */
function largeTally(): Tally {
  const tally = new Tally(makeClock)
  for (let n = 0; n < ROWS; n++) {
    const payload = sha256Hex(Buffer.from(`artifact ${n}`))
    tally.uses.use(payload, sha256(Buffer.from(`name ${n}`)), n < ROWS / 2 ? 1_000_000 : 9_000_000_000_000)
    tally.governed.add(payload)
  }
  return tally
}

describe('a snapshot of much', () => {
  const tally = largeTally()
  const pieces = [...snapshotPieces(tally)]
  const bytes = Buffer.concat(pieces)

  test('is written in pieces, none of more than a few rows', () => {
    expect(bytes.length).toBeGreaterThan(ROWS * (ROW_BYTES + 32))
    expect(Math.max(...pieces.map(({ length }) => length))).toBeLessThan(MOST_ROWS * ROW_BYTES)
  })

  test('is read in steps', () => {
    let steps = 0
    const reading = readSnapshotInSteps(bytes, makeClock)
    for (;;) {
      const { done, value } = reading.next()
      if (done) {
        expect([value.uses.table.size, value.governed.size]).toEqual([ROWS, ROWS])
        break
      }
      steps++
    }
    expect(steps).toBeGreaterThanOrEqual(Math.floor((2 * ROWS) / MOST_ROWS))
  })

  test('lets go of uses in steps, and of no more than it says', async () => {
    const log = new MemoryLog()
    const w = new Writer(log.lineage)
    await w.write({
      type: 'snapshot',
      size: 0,
      digest: 'ab'.repeat(32),
      previous: null,
      horizon: '2026-11-20T00:00:00.000Z',
    })
    const half = largeTally()
    half.add(parseEvent(await log.entry(0n)))
    let before = half.uses.table.size
    let steps = 0
    for (const _ of half.letGo()) {
      expect(before - half.uses.table.size).toBeLessThan(MOST_ROWS)
      before = half.uses.table.size
      steps++
    }
    expect(steps).toBe(half.uses.table.parts)
    expect(half.uses.table.size).toBe(ROWS / 2)
    // Also for whoever does not take the steps one by one.
    const other = largeTally()
    other.add(parseEvent(await log.entry(0n)))
    const digestOf = (it: Tally) => sha256Hex(Buffer.concat([...snapshotPieces(it)]))
    expect(digestOf(other)).toBe(digestOf(half))
  })

  test('leaves the rest of the daemon as many turns as it has pieces, and one for every few entries', async () => {
    const log = new MemoryLog()
    const w = new Writer(log.lineage)
    await w.start(0)
    await w.snapshots.make()
    // The daemon's newest snapshot is a large one; what comes after it has to be added.
    const large = largeTally()
    large.add(parseEvent(await log.entry(0n)))
    const digest = await log.putBlob(Buffer.concat([...snapshotPieces(large)]))
    const entry = parseEvent(await log.entry(log.hint ?? 0n))
    if (entry.type !== 'snapshot') throw new Error('no snapshot')
    log.hint = (await log.append({ ...entry, digest })).index
    const entries = 320
    for (let n = 0; n < entries; n++) await w.transition('FAILED', 'UNATTESTED')

    let turns = 0
    let isOver = false
    const others = (async () => {
      while (!isOver) {
        await setImmediate()
        turns++
      }
    })()
    const snapshots = new Snapshots({
      lineage: log.lineage,
      recorder: { record: body => w.write(body) },
      uses: { forgetBefore: function* () {} },
      log: { warn: (fields: object) => expect(fields).toBe('no warning'), debug: () => undefined },
      everyEntries: 1,
    })
    const { size } = log
    await snapshots.make()
    isOver = true
    await others
    expect(log.size).toBe(size + 1n)
    const reading = Math.floor((2 * ROWS) / MOST_ROWS)
    expect(turns).toBeGreaterThan(reading + entries / 16 + 2 * pieces.length - 16)
  })
})
