import { describe, expect, it } from 'vitest'
import { type Lineage, parseEvent } from '../../lineage/index.ts'
import { type Call, type Effect, type FaultyIo, faultyIo } from './support/faulty-io.ts'
import { fill, numbered, openLog, temporaryDirectory, testSigner } from './support/log.ts'

const EFFECTS: Effect[] = ['did not persist', 'did persist']

/** The `bootNs` of each entry: which of the numbered events it is. */
async function numbers(log: Lineage): Promise<number[]> {
  const out: number[] = []
  while (BigInt(out.length) < log.size) {
    for (const { bytes } of await log.readEntries(BigInt(out.length), log.size))
      out.push(Number(parseEvent(bytes).bootNs))
  }
  return out
}

describe.each(EFFECTS)('an append whose sync fails and that %s', effect => {
  it.each<[Call]>([['write'], ['fdatasync']])(
    '%s: is not acknowledged, and nothing is written any more',
    async call => {
      const directory = temporaryDirectory()
      const io = faultyIo()
      const log = await openLog(directory, { io })
      await fill(log, 0, 5)
      const root = log.rootHash()
      io.fail(call, 1, effect)
      const refused = { code: 'LINEAGE_UNAVAILABLE' }
      await expect(log.append(numbered(5))).rejects.toMatchObject(refused)
      expect(io.happened).toBe(true)
      expect((await log.failed).code).toBe('LINEAGE_UNAVAILABLE')
      // The disk works again, and still nothing is taken: what the kernel dropped is not known.
      const before = { ...io.counts }
      await expect(log.append(numbered(6))).rejects.toMatchObject(refused)
      await expect(log.putBlob(Buffer.from('x'))).rejects.toMatchObject(refused)
      expect(io.counts).toEqual(before)
      expect([log.size, log.rootHash()]).toEqual([5n, root])
      await log.close()
      const reopened = await openLog(directory)
      expect(reopened.openedAfterUncleanStop).toBe(true)
      const found = await numbers(reopened)
      expect(found.slice(0, 5)).toEqual([0, 1, 2, 3, 4])
      expect(found.slice(5)).toEqual(call === 'write' && effect === 'did not persist' ? [] : [5])
      await reopened.close()
    },
  )
})

it('a batch that the disk has no room for is refused, and the next one takes its place', async () => {
  const directory = temporaryDirectory()
  const io = faultyIo()
  const log = await openLog(directory, { io })
  await fill(log, 0, 3)
  io.fail('write', 1, 'did persist', 'ENOSPC')
  await expect(log.append(numbered(77))).rejects.toMatchObject({ code: 'LINEAGE_UNAVAILABLE' })
  expect(await log.append(numbered(3))).toEqual({ index: 3n })
  await log.close()
  const reopened = await openLog(directory)
  expect(await numbers(reopened)).toEqual([0, 1, 2, 3])
  await reopened.close()
})

it('an fsync that reports a full disk is as fatal as any other', async () => {
  const io = faultyIo()
  const log = await openLog(temporaryDirectory(), { io })
  io.fail('fdatasync', 1, 'did persist', 'ENOSPC')
  await expect(log.append(numbered(0))).rejects.toMatchObject({ code: 'LINEAGE_UNAVAILABLE' })
  await expect(log.append(numbered(0))).rejects.toMatchObject({ code: 'LINEAGE_UNAVAILABLE' })
  await log.close()
})

const signer = testSigner()

/** A life of a log that uses every kind of system call: tiles at two levels of fullness, checkpoints, blobs, a clean stop. */
async function life(
  directory: string,
  io: FaultyIo,
  acknowledged: number[],
  signed: string[],
): Promise<void> {
  const { quote } = signer
  const log = await openLog(directory, {
    io,
    signer: {
      ...signer,
      quote: extraData => {
        signed.push(extraData.toString('hex'))
        return quote(extraData)
      },
    },
  })
  const append = async (from: number, to: number) => {
    const all = Array.from({ length: to - from }, (_, i) =>
      log.append(numbered(from + i)).then(() => acknowledged.push(from + i)),
    )
    const ended = await Promise.allSettled(all)
    for (const { status } of ended) if (status === 'rejected') return
  }
  try {
    const start = Number(log.size)
    await append(start, start + 200)
    await log.checkpoint()
    await log.putBlob(Buffer.from('blob'))
    await append(start + 200, start + 300)
    await log.checkpoint()
  } finally {
    await log.close()
  }
}

/*
 * Each system call of one kind fails once, wherever it happens to be: while opening, appending, tiling, signing or stopping.
 * Whatever it hits, all that was acknowledged is there afterwards, and the log goes on.
 */
describe.each(EFFECTS)('any single system call that fails and %s', effect => {
  it.each<[Call]>([['open'], ['writeLarge'], ['fsync'], ['rename'], ['unlink'], ['mkdir']])(
    '%s',
    async call => {
      const rehearsal = faultyIo()
      await life(temporaryDirectory(), rehearsal, [], [])
      const total = rehearsal.counts[call]
      expect(total).toBeGreaterThan(0)
      for (let nth = 1; nth <= total; nth += Math.max(1, Math.floor(total / 4))) {
        const directory = temporaryDirectory()
        const io = faultyIo()
        const acknowledged: number[] = []
        io.fail(call, nth, effect)
        await life(directory, io, acknowledged, []).catch(error => {
          expect(error).toMatchObject({ code: 'LINEAGE_UNAVAILABLE' })
        })
        expect(io.happened).toBe(true)
        const signed: string[] = []
        await life(directory, faultyIo(), acknowledged, signed)
        const log = await openLog(directory)
        const found = await numbers(log)
        expect(found.slice(0, acknowledged.length)).toEqual(
          found.slice(0, acknowledged.length).map((_, i) => i),
        )
        expect(acknowledged.filter(n => !found.includes(n))).toEqual([])
        expect(new Set(signed).size).toBe(signed.length)
        await log.close()
      }
    },
    120_000,
  )
})
