import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, statfsSync, unlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { exportLog, parseEvent } from '../../lineage/index.ts'
import { fill, large, numbered, openLog, testSigner } from './support/log.ts'

const root = process.getuid?.() === 0

describe.skipIf(!root)('a disk that is full or read-only (skipped unless root, who can mount one)', () => {
  let mount = ''
  beforeAll(() => {
    mount = mkdtempSync(join(tmpdir(), 'writ-full-'))
    const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', mount])
    if (status !== 0) throw new Error(stderr.toString())
  })
  afterAll(() => {
    spawnSync('umount', [mount])
    rmSync(mount, { recursive: true, force: true })
  })

  it('refuses requests, keeps what it acknowledged, still records ends and kills, and goes on when there is space', async () => {
    const directory = join(mount, 'lineage')
    const unavailable = { code: 'LINEAGE_UNAVAILABLE' }
    let failed = false
    const log = await openLog(directory, { signer: testSigner() })
    // A test that fails half-way would keep the mount busy.
    onTestFinished(() => log.close().catch(() => undefined))
    void log.failed.then(() => {
      failed = true
    })
    await log.append(numbered(0))
    // Someone else fills the disk.
    const ballast = join(mount, 'ballast')
    const { bavail, bsize } = statfsSync(mount)
    writeFileSync(ballast, Buffer.alloc(bavail * bsize - (1 << 20), 1))

    const acknowledged: number[] = [0]
    const refused: unknown[] = []
    for (let n = 1; n < 2000 && refused.length === 0; n++) {
      await log.append(large(n, 16_000)).then(
        () => acknowledged.push(n),
        error => refused.push(error),
      )
    }
    expect(refused).toEqual([expect.objectContaining(unavailable)])
    expect(acknowledged.length).toBeGreaterThan(100)
    await expect(log.putBlob(Buffer.alloc(4 << 20))).rejects.toMatchObject(unavailable)

    // What ends something has space of its own.
    for (let n = 10_000; n < 10_500; n++) {
      await log.append(numbered(n))
      acknowledged.push(n)
    }
    await expect(log.append(large(1, 16_000))).rejects.toMatchObject(unavailable)
    expect(failed).toBe(false)

    unlinkSync(ballast)
    await new Promise(resolve => setTimeout(resolve, 600))
    await log.append(large(20_000, 16_000))
    acknowledged.push(20_000)
    expect((await log.checkpoint()).size).toBe(acknowledged.length)
    await log.close()

    const reopened = await openLog(directory)
    const found: number[] = []
    while (BigInt(found.length) < reopened.size) {
      for (const { bytes } of await reopened.readEntries(BigInt(found.length), reopened.size)) {
        found.push(Number(parseEvent(bytes).bootNs))
      }
    }
    expect(found).toEqual(acknowledged)
    expect(reopened.openedAfterUncleanStop).toBe(false)
    await reopened.close()
  }, 60_000)

  it('that has become read-only keeps the log from opening, and from nothing else', async () => {
    const directory = join(mount, 'read-only')
    const signer = testSigner()
    const remount = (how: string) => spawnSync('mount', ['-o', `remount,${how},size=24m`, mount]).status
    const log = await openLog(directory, { signer })
    await fill(log, 0, 300)
    await log.checkpoint()
    await log.close()
    expect(remount('ro')).toBe(0)
    onTestFinished(() => void remount('rw'))
    await expect(openLog(directory, { signer })).rejects.toMatchObject({ code: 'LINEAGE_UNAVAILABLE' })
    const copy = mkdtempSync(join(tmpdir(), 'writ-export-'))
    onTestFinished(() => rmSync(copy, { recursive: true }))
    expect(await exportLog(directory, copy)).toMatchObject({ size: 300 })
    expect(remount('rw')).toBe(0)
    const again = await openLog(directory, { signer })
    expect([again.size, again.openedAfterUncleanStop]).toEqual([300n, false])
    await again.close()
  })
})
