import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { sha256Hex } from '../../encoding/digest.ts'
import {
  encodeEvent,
  type LineageEvent,
  leafHash,
  MAX_BLOB_BYTES,
  verifyConsistency,
  verifyInclusion,
} from '../../lineage/index.ts'
import { CompactRange, EMPTY_ROOT } from '../../lineage/tree/merkle.ts'
import { fill, large, numbered, openLog, temporaryDirectory } from './support/log.ts'

const missing = { code: 'RANGE_INVALID' }

describe('lineage', () => {
  it('gives what was appended, in order, across starts', async () => {
    const directory = temporaryDirectory()
    let log = await openLog(directory)
    expect(log.size).toBe(0n)
    expect(log.rootHash()).toEqual(EMPTY_ROOT)
    expect(log.openedAfterUncleanStop).toBe(false)
    expect(await log.append(numbered(0))).toEqual({ index: 0n })
    await fill(log, 1, 600)
    const root = log.rootHash()
    await log.close()
    log = await openLog(directory, { create: false })
    expect([log.size, log.tailIndex, log.openedAfterUncleanStop]).toEqual([600n, 600n, false])
    expect(log.rootHash()).toEqual(root)
    await fill(log, 600, 1100)
    const expected = new CompactRange()
    for (let n = 0; n < 1100; n++) {
      const bytes = encodeEvent(numbered(n))
      expected.append(leafHash(bytes))
      expect(await log.entry(BigInt(n))).toEqual(bytes)
    }
    expect(log.rootHash()).toEqual(expected.root())
    await log.close()
  })

  it('gives entries in bounded pieces', async () => {
    const log = await openLog(temporaryDirectory())
    await fill(log, 0, 1500)
    await Promise.all(Array.from({ length: 120 }, (_, n) => log.append(large(n, 16_000))))
    const first = await log.readEntries(0n, log.size)
    expect(first.length).toBe(1024)
    expect(first.map(({ index }) => index)).toEqual(Array.from({ length: 1024 }, (_, i) => BigInt(i)))
    const heavy = await log.readEntries(1500n, log.size)
    expect(heavy.length).toBeGreaterThan(0)
    expect(heavy.reduce((sum, { bytes }) => sum + bytes.length, 0)).toBeLessThanOrEqual(1 << 20)
    expect(await log.readEntries(5n, 5n)).toEqual([])
    for (const [from, to] of [
      [-1n, 5n],
      [6n, 5n],
      [0n, log.size + 1n],
    ] as const) {
      await expect(log.readEntries(from, to)).rejects.toMatchObject(missing)
    }
    await expect(log.entry(log.size)).rejects.toMatchObject(missing)
    await expect(log.entry(-1n)).rejects.toMatchObject(missing)
    await log.close()
  })

  it('proves inclusion and consistency between any sizes, from memory and from tiles', async () => {
    const directory = temporaryDirectory()
    let log = await openLog(directory)
    await fill(log, 0, 1100)
    await log.close()
    log = await openLog(directory)
    await fill(log, 1100, 1300)
    for (const [m, n] of [
      [1, 1300],
      [255, 256],
      [256, 1300],
      [257, 1024],
      [1024, 1025],
      [1299, 1300],
      [700, 1100],
    ] as const) {
      const [size1, size2] = [BigInt(m), BigInt(n)]
      const root2 = await log.rootAt(size2)
      const proof = await log.consistencyProof(size1, size2)
      expect(verifyConsistency({ size1, size2, proof, root1: await log.rootAt(size1), root2 })).toBe(true)
      for (const index of [0n, size1 - 1n, size2 - 1n]) {
        const leaf = leafHash(await log.entry(index))
        const path = await log.inclusionProof(index, size2)
        expect(verifyInclusion({ leafHash: leaf, index, size: size2, proof: path, root: root2 })).toBe(true)
      }
    }
    await expect(log.inclusionProof(5n, 5n)).rejects.toMatchObject(missing)
    await expect(log.inclusionProof(0n, log.size + 1n)).rejects.toMatchObject(missing)
    await expect(log.consistencyProof(7n, 6n)).rejects.toMatchObject(missing)
    await log.close()
  })

  it('takes no event that is not valid', async () => {
    const log = await openLog(temporaryDirectory())
    const bad = { ...numbered(1), cause: 'lower' } as LineageEvent
    await expect(log.append(bad)).rejects.toMatchObject({ code: 'EVENT_INVALID', at: 'cause' })
    expect(log.size).toBe(0n)
    await log.close()
    await expect(log.append(numbered(1))).rejects.toMatchObject({ code: 'LINEAGE_CLOSED' })
    await expect(log.putBlob(Buffer.alloc(1))).rejects.toMatchObject({ code: 'LINEAGE_CLOSED' })
  })

  it('goes through several segments of its tail and keeps none that tiles replaced', async () => {
    const directory = temporaryDirectory()
    let log = await openLog(directory)
    const entries = 900
    const appends = Array.from({ length: entries }, (_, n) => log.append(large(n, 16_000)))
    const indexes = await Promise.all(appends)
    expect(indexes.at(-1)).toEqual({ index: BigInt(entries - 1) })
    const root = log.rootHash()
    await log.close()
    log = await openLog(directory)
    expect([log.size, log.rootHash()]).toEqual([BigInt(entries), root])
    expect(readdirSync(join(directory, 'state/tail')).filter(name => name !== 'spare')).toEqual([
      '0000000000000768',
    ])
    await log.close()
  }, 60_000)
})

describe('opening', () => {
  it('makes a lineage only when told to', async () => {
    const directory = temporaryDirectory()
    await expect(openLog(directory, { create: false })).rejects.toMatchObject({ code: 'LINEAGE_ABSENT' })
    expect(readdirSync(directory)).toEqual([])
  })

  it('refuses a second writer in this process and in another', async () => {
    const directory = temporaryDirectory()
    const log = await openLog(directory)
    await expect(openLog(directory)).rejects.toMatchObject({ code: 'LINEAGE_LOCKED' })
    const child = spawn(process.execPath, [join(import.meta.dirname, 'support/writer.ts'), directory], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const lines: Buffer[] = []
    child.stdout.on('data', chunk => lines.push(chunk))
    await once(child, 'close')
    expect(Buffer.concat(lines).toString()).toBe('refused LINEAGE_LOCKED\n')
    await log.close()
    await (await openLog(directory)).close()
  })

  it('says after an unclean stop that it was one, and only then', async () => {
    const directory = temporaryDirectory()
    let log = await openLog(directory)
    await fill(log, 0, 10)
    await log.close()
    const stop = readFileSync(join(directory, 'state/stop'))
    log = await openLog(directory)
    expect(log.openedAfterUncleanStop).toBe(false)
    expect(existsSync(join(directory, 'state/stop'))).toBe(false)
    await fill(log, 10, 20)
    await log.close()
    rmSync(join(directory, 'state/stop'))
    log = await openLog(directory)
    expect([log.openedAfterUncleanStop, log.tailIndex]).toEqual([true, 20n])
    await log.close()
    // The mark of another tree is none.
    writeFileSync(join(directory, 'state/stop'), stop)
    log = await openLog(directory)
    expect(log.openedAfterUncleanStop).toBe(true)
    await log.close()
    // Nor is there one while no entry tells of the unclean stop: a start that failed in between is not what makes it a clean one.
    log = await openLog(directory)
    expect([log.openedAfterUncleanStop, log.tailIndex]).toEqual([true, 20n])
    await log.append({ type: 'recovery', v: 1, time: '2026-01-01T00:00:00.000Z', bootNs: '0', tail: 20 })
    await log.close()
    log = await openLog(directory)
    expect(log.openedAfterUncleanStop).toBe(false)
    await log.close()
  })

  it.each([
    ['a full tile', 'tile/0/000', 'LINEAGE_BROKEN'],
    // The last batch: what a crash would leave looks the same, but the mark of a clean stop names its entries.
    ['the tail', 'state/tail/0000000000000256', 'LINEAGE_ROLLED_BACK'],
  ])('refuses to go on after a change of %s', async (_, name, code) => {
    const directory = temporaryDirectory()
    const log = await openLog(directory)
    await fill(log, 0, 310)
    await log.close()
    await (await openLog(directory)).close()
    const path = join(directory, name)
    const bytes = readFileSync(path)
    bytes.writeUInt8(bytes.readUInt8(150) ^ 1, 150)
    writeFileSync(path, bytes)
    await expect(openLog(directory)).rejects.toMatchObject({ code })
  })

  it('refuses tiles that are not those under its tail, also after an unclean stop', async () => {
    const directory = temporaryDirectory()
    const log = await openLog(directory)
    await fill(log, 0, 310)
    await log.close()
    await (await openLog(directory)).close()
    rmSync(join(directory, 'state/stop'))
    const path = join(directory, 'tile/0/000')
    const bytes = readFileSync(path)
    bytes.writeUInt8(bytes.readUInt8(150) ^ 1, 150)
    writeFileSync(path, bytes)
    await expect(openLog(directory)).rejects.toMatchObject({ code: 'LINEAGE_BROKEN' })
  })

  it('refuses a lineage whose tail is gone', async () => {
    const directory = temporaryDirectory()
    const log = await openLog(directory)
    await fill(log, 0, 300)
    await log.close()
    await (await openLog(directory)).close()
    rmSync(join(directory, 'state/tail'), { recursive: true })
    await expect(openLog(directory)).rejects.toMatchObject({ code: 'LINEAGE_BROKEN' })
  })

  it('compares a tile that is there with what it would write', async () => {
    const directory = temporaryDirectory()
    const log = await openLog(directory)
    await fill(log, 0, 250)
    await log.close()
    const path = join(directory, 'tile/0/000')
    const reopened = await openLog(directory)
    await fill(reopened, 250, 260)
    mkdirSync(join(directory, 'tile/0'), { recursive: true })
    writeFileSync(path, Buffer.alloc(8192, 1))
    await reopened.close()
    await expect(openLog(directory)).rejects.toMatchObject({ code: 'LINEAGE_BROKEN', at: 'tile/0/000' })
  })
})

describe('evidence store', () => {
  it('keeps bytes under their digest', async () => {
    const directory = temporaryDirectory()
    const log = await openLog(directory)
    const bytes = Buffer.from('evidence')
    const digest = await log.putBlob(bytes)
    expect(digest).toBe(sha256Hex(bytes))
    expect(await log.putBlob(bytes)).toBe(digest)
    expect(await log.getBlob(digest)).toEqual(bytes)
    const path = join(directory, 'evidence/sha256', digest.slice(0, 2), digest.slice(2))
    writeFileSync(path, 'evidencf')
    await expect(log.getBlob(digest)).rejects.toMatchObject({ code: 'BLOB_DAMAGED' })
    // What a crash damaged is made whole when it is put again.
    await log.putBlob(bytes)
    expect(await log.getBlob(digest)).toEqual(bytes)
    await expect(log.getBlob('0'.repeat(64))).rejects.toMatchObject({ code: 'BLOB_ABSENT' })
    await expect(log.getBlob('../../../etc/passwd')).rejects.toMatchObject({ code: 'PATH_MALFORMED' })
    await expect(log.putBlob(Buffer.alloc(MAX_BLOB_BYTES + 1))).rejects.toMatchObject({
      code: 'BLOB_TOO_LARGE',
    })
    await log.close()
  })
})
