import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { partialTilesOf, TILE_WIDTH, tilePath, tilesOf } from '../../lineage/c2sp/tile-path.ts'
import { exportLog, type Lineage, verifyLog } from '../../lineage/index.ts'
import { CONFIG, daemonStart, fill, openLog, temporaryDirectory, testSigner } from './support/log.ts'

/** A log, whose entries are other ones with another `offset`. */
async function newLog(size: number, signer = testSigner(), offset = 0) {
  const directory = join(temporaryDirectory(), 'log')
  mkdirSync(directory)
  const log = await openLog(directory, { signer })
  await log.putBlob(CONFIG)
  await log.append(daemonStart(signer.logKey, Buffer.from(signer.ak.name).toString('hex')))
  await fill(log, offset + 1, offset + size)
  return { directory, log, signer, first: await log.checkpoint() }
}

/** Whether the export is whole: every property that an attestation key can show, every file and none besides. */
async function isWhole(
  target: string,
  { signer }: { signer: ReturnType<typeof testSigner> },
): Promise<boolean> {
  const { results } = await verifyLog(target, { ak: signer.ak })
  return results.every(({ status, property }) => status === 'VERIFIED' || property.startsWith('consistency'))
}

async function grow(log: Lineage, from: number, to: number) {
  await fill(log, from, to)
  return log.checkpoint()
}

describe('tiles that are not full', () => {
  it('are those of all tiles that are not full', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 200_000 }), size => {
        const all = [...tilesOf(size)].filter(({ width }) => width < TILE_WIDTH)
        expect([...partialTilesOf(size)].map(tilePath).sort()).toEqual(all.map(tilePath).sort())
      }),
      { numRuns: 50 },
    )
  })
})

describe('an export onto an earlier one', () => {
  it.each([
    ['within one tile', 20, 60],
    ['over the end of a tile', 200, 300],
    ['from a full tile', 256, 257],
    ['to a full tile', 100, 512],
    ['of nothing new', 300, 300],
  ])('is the same as a new one: %s', async (_, before, after) => {
    const made = await newLog(before)
    const target = join(temporaryDirectory(), 'onto')
    await exportLog(made.directory, target)
    await grow(made.log, before, after)
    await made.log.close()
    const { files, before: had, size } = await exportLog(made.directory, target, { onto: true })
    expect([had, size]).toEqual([before, after])
    const fresh = join(temporaryDirectory(), 'fresh')
    const whole = await exportLog(made.directory, fresh)
    expect(readdirSync(target, { recursive: true }).sort()).toEqual(
      readdirSync(fresh, { recursive: true }).sort(),
    )
    expect(files).toBeLessThan(whole.files)
    expect(await isWhole(target, made)).toBe(true)
  })

  it('is refused for another log, a forked one, and one that was cut', async () => {
    const made = await newLog(300)
    await made.log.close()
    const target = join(temporaryDirectory(), 'target')
    await exportLog(made.directory, target)
    // The same log key and name, another history.
    const forked = await newLog(300, made.signer, 1000)
    await grow(forked.log, 300, 310)
    await forked.log.close()
    const before = readFileSync(join(target, 'checkpoint'))
    await expect(exportLog(forked.directory, target, { onto: true })).rejects.toMatchObject({
      code: 'LINEAGE_BROKEN',
      message: expect.stringMatching('forked'),
    })
    const shorter = await newLog(5)
    await shorter.log.close()
    await expect(exportLog(shorter.directory, target, { onto: true })).rejects.toMatchObject({
      code: 'LINEAGE_BROKEN',
    })
    expect(readFileSync(join(target, 'checkpoint'))).toEqual(before)
    const other = temporaryDirectory()
    writeFileSync(join(other, 'notes.txt'), 'mine')
    await expect(exportLog(made.directory, other, { onto: true })).rejects.toMatchObject({
      code: 'RANGE_INVALID',
    })
  })

  it('is made whole by doing it again, wherever it was cut short', async () => {
    const made = await newLog(200)
    const pristine = join(temporaryDirectory(), 'pristine')
    await exportLog(made.directory, pristine)
    await grow(made.log, 200, 300)
    await made.log.close()
    const done = join(temporaryDirectory(), 'done')
    await exportLog(made.directory, done)
    const fresh = readdirSync(done, { recursive: true, withFileTypes: true }).filter(item => item.isFile())
    const stale = [...partialTilesOf(200)].map(tilePath)
    const last = fresh.length + stale.length
    for (const cut of [0, 1, Math.floor(fresh.length / 2), fresh.length, last - 1, last]) {
      const target = join(temporaryDirectory(), `cut-${cut}`)
      cpSync(pristine, target, { recursive: true })
      mkdirSync(join(target, '.incoming'))
      writeFileSync(join(target, '.incoming/0'), 'half')
      // What an export that went so far has made, and then removed.
      for (const item of fresh.slice(0, cut)) {
        const path = join(item.parentPath, item.name)
        if (item.name !== 'checkpoint') cpSync(path, join(target, path.slice(done.length)))
      }
      for (const path of stale.slice(0, Math.max(0, cut - fresh.length))) rmSync(join(target, path))
      await exportLog(made.directory, target, { onto: true })
      expect(await isWhole(target, made), `after ${cut} files`).toBe(true)
    }
    // One that has no checkpoint yet is begun anew.
    const begun = join(temporaryDirectory(), 'begun')
    cpSync(join(done, 'tile'), join(begun, 'tile'), { recursive: true })
    await exportLog(made.directory, begun, { onto: true })
    expect(await isWhole(begun, made)).toBe(true)
  })
})

describe('an export of an earlier checkpoint', () => {
  it('is what the log was then', async () => {
    const made = await newLog(290)
    const first = join(temporaryDirectory(), 'first')
    await exportLog(made.directory, first)
    await grow(made.log, 290, 300)
    await made.log.close()
    const later = join(temporaryDirectory(), 'later')
    await exportLog(made.directory, later)
    // Also from a copy, whose last tile is longer than the one that is asked for.
    for (const source of [made.directory, later]) {
      const target = join(temporaryDirectory(), 'then')
      await exportLog(source, target, { checkpoint: made.first.note })
      expect(await isWhole(target, made)).toBe(true)
      for (const item of readdirSync(first, { recursive: true, withFileTypes: true })) {
        if (!item.isFile()) continue
        const path = join(item.parentPath, item.name)
        expect(readFileSync(join(target, path.slice(first.length)))).toEqual(readFileSync(path))
      }
    }
    const other = await newLog(300)
    await other.log.close()
    const target = join(temporaryDirectory(), 'other')
    await expect(exportLog(made.directory, target, { checkpoint: other.first.note })).rejects.toMatchObject({
      code: 'RANGE_INVALID',
    })
    expect(existsSync(join(target, 'checkpoint'))).toBe(false)
  })
})
