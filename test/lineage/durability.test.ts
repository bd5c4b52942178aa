import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { parseCheckpoint, parseEvent } from '../../lineage/index.ts'
import { systemIo } from '../../lineage/writer/io.ts'
import { large, numbered, openLog, temporaryDirectory, testSigner } from './support/log.ts'
import { type DiskImage, materialise, powerLossIo } from './support/power-loss.ts'

it('acknowledges an entry only when the disk has said that it is there', async () => {
  const release = Promise.withResolvers<void>()
  let holding = false
  const io = {
    ...systemIo,
    async fdatasync(fd: number) {
      if (holding) await release.promise
      return systemIo.fdatasync(fd)
    },
  }
  const log = await openLog(temporaryDirectory(), { io })
  holding = true
  let acknowledged = false
  const append = log.append(numbered(0)).then(() => {
    acknowledged = true
  })
  await new Promise(resolve => setTimeout(resolve, 100))
  expect([acknowledged, log.size]).toEqual([false, 0n])
  release.resolve()
  await append
  expect(log.size).toBe(1n)
  await log.close()
})

it('syncs what is appended together once', async () => {
  let syncs = 0
  const io = {
    ...systemIo,
    fdatasync(fd: number) {
      syncs++
      return systemIo.fdatasync(fd)
    },
  }
  const log = await openLog(temporaryDirectory(), { io })
  await Promise.all(Array.from({ length: 64 }, (_, n) => log.append(numbered(n))))
  expect(syncs).toBe(1)
  await log.close()
})

/*
 * The power goes at many moments, each right before a sync, and the disk keeps only what was synced. Everything that had been acknowledged,
 * signed or stored by then is there when the image is opened.
 */
it('loses nothing of what it promised when the power goes', async () => {
  const directory = temporaryDirectory()
  const io = powerLossIo()
  const acknowledged: number[] = []
  const blobs: string[] = []
  const checkpoints: number[] = []
  const images: { image: DiskImage; entries: number; blobs: number; checkpoints: number }[] = []
  let syncs = 0
  const log = await openLog(directory, { io, signer: testSigner() })
  io.beforeSync = () => {
    if (syncs++ % 5 !== 0) return
    images.push({
      image: io.image(),
      entries: acknowledged.length,
      blobs: blobs.length,
      checkpoints: checkpoints.length,
    })
  }
  let n = 0
  const append = async (count: number, bytes: number) => {
    const all = Array.from({ length: count }, () => {
      const mine = n++
      return log.append(large(mine, bytes)).then(() => acknowledged.push(mine))
    })
    await Promise.all(all)
  }
  for (let round = 0; round < 6; round++) {
    await append(20, 100)
    // Enough to fill segments: rotation and tiling happen beside what follows.
    await append(60, 16_000)
    blobs.push(await log.putBlob(Buffer.from(`blob ${round}`)))
    checkpoints.push((await log.checkpoint()).size)
  }
  await log.close()
  expect(images.length).toBeGreaterThan(15)
  for (const at of images) {
    const survived = temporaryDirectory()
    materialise(at.image, directory, survived)
    const reopened = await openLog(survived)
    expect(reopened.openedAfterUncleanStop).toBe(true)
    expect(Number(reopened.size)).toBeGreaterThanOrEqual(at.entries)
    for (let index = 0; index < at.entries; index += 7) {
      expect(Number(parseEvent(await reopened.entry(BigInt(index))).bootNs)).toBe(index)
    }
    for (const digest of blobs.slice(0, at.blobs)) await reopened.getBlob(digest)
    const promised = checkpoints[at.checkpoints - 1]
    if (promised !== undefined) {
      expect(parseCheckpoint(readFileSync(join(survived, 'checkpoint'))).size).toBeGreaterThanOrEqual(
        promised,
      )
    }
    const { v, time, bootNs } = numbered(0)
    await reopened.append({ v, time, bootNs, type: 'recovery', tail: Number(reopened.tailIndex) })
    await reopened.close()
    const again = await openLog(survived)
    expect(again.openedAfterUncleanStop).toBe(false)
    await again.close()
  }
}, 120_000)
