import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { Scrub } from '../../daemon/scrub.ts'
import { LineageError } from '../../lineage/index.ts'
import { fill, openLog, temporaryDirectory } from '../lineage/support/log.ts'

const log = { warn: () => undefined, info: () => undefined }

it('reads every bundle of a round once, and then rests', async () => {
  const read: number[] = []
  const lineage = {
    bundles: 7,
    async recheck(bundle: number) {
      read.push(bundle)
      // A disk that does not give one of them keeps it from none of the others.
      if (bundle === 3) throw new LineageError('LINEAGE_UNAVAILABLE', 'EIO')
    },
  }
  const scrub = new Scrub(lineage, log, 1)
  scrub.start()
  await expect.poll(() => read.length, { timeout: 5000 }).toBe(7)
  await new Promise(resolve => setTimeout(resolve, 50))
  await scrub.stop()
  expect(read.toSorted()).toEqual([0, 1, 2, 3, 4, 5, 6])
})

it('finds damage far back that nobody reads, and ends the lineage', async () => {
  const directory = temporaryDirectory()
  let lineage = await openLog(directory)
  await fill(lineage, 0, 2000)
  await lineage.close()
  lineage = await openLog(directory)
  const path = join(directory, 'tile/entries/004')
  const bytes = readFileSync(path)
  bytes.writeUInt8(bytes.readUInt8(500) ^ 1, 500)
  writeFileSync(path, bytes)
  const scrub = new Scrub(lineage, log, 1)
  scrub.start()
  expect(await lineage.failed).toMatchObject({ code: 'LINEAGE_BROKEN', at: 'tile/entries/004' })
  await scrub.stop()
  await lineage.close()
  await expect(openLog(directory)).rejects.toMatchObject({ code: 'LINEAGE_BROKEN', at: 'tile/entries/004' })
})

it('stops in the middle of a round', async () => {
  let read = 0
  const scrub = new Scrub({ bundles: 1e6, recheck: async () => void read++ }, log, 1)
  scrub.start()
  await expect.poll(() => read, { timeout: 5000 }).toBeGreaterThan(0)
  await scrub.stop()
  const then = read
  await new Promise(resolve => setTimeout(resolve, 30))
  expect(read).toBe(then)
})
