import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { exportLog, LogReader, parseEvent } from '../../lineage/index.ts'
import { large, numbered, openLog, temporaryDirectory, testSigner } from './support/log.ts'

async function indexes(reader: LogReader, from = 0, to = reader.size): Promise<number[]> {
  const seen: number[] = []
  for await (const entries of reader.read(from, to)) {
    for (const { index, bytes } of entries) {
      expect(parseEvent(bytes).bootNs).toBe(String(index))
      seen.push(Number(index))
    }
  }
  return seen
}

const upTo = (size: number, from = 0) => Array.from({ length: size - from }, (_, i) => from + i)

describe('a directory is read without its writer', () => {
  test.each([1, 255, 256, 257, 700])('with %i entries, beside one that goes on writing', async size => {
    const dir = temporaryDirectory()
    const lineage = await openLog(dir, { signer: testSigner() })
    for (let i = 0; i < size; i++) void lineage.append(numbered(i))
    await lineage.append(numbered(size))
    expect(await indexes(LogReader.open(dir))).toEqual(upTo(size + 1))
    await lineage.checkpoint()
    for (let i = size + 1; i < size + 400; i++) await lineage.append(numbered(i))
    const reader = LogReader.open(dir)
    expect(reader.checkpoint?.size).toBe(size + 1)
    expect(await indexes(reader)).toEqual(upTo(size + 400))
    expect(await indexes(reader, size - 1, size + 3)).toEqual(upTo(size + 3, size - 1))
    // What has been opened stays readable while the writer moves entries to tiles.
    for (let i = size + 400; i < size + 900; i++) void lineage.append(numbered(i))
    await lineage.close()
    expect(await indexes(reader)).toEqual(upTo(size + 400))
    expect(await indexes(LogReader.open(dir))).toEqual(upTo(size + 900))
  })

  test('while segments come and go', async () => {
    const dir = temporaryDirectory()
    const lineage = await openLog(dir)
    let n = 0
    let read = 0
    const writing = (async () => {
      while (n < 460) await lineage.append(large(n++, 16_000))
    })()
    while (n < 460) {
      const reader = LogReader.open(dir)
      expect(reader.tailFault).toBeNull()
      for await (const entries of reader.read(Math.max(0, reader.size - 300), reader.size))
        read += entries.length
      await new Promise(resolve => setTimeout(resolve, 20))
    }
    await writing
    await lineage.close()
    expect(read).toBeGreaterThan(300)
  })

  test('of an export, whose last bundle is partial', async () => {
    const dir = temporaryDirectory()
    const lineage = await openLog(dir, { signer: testSigner() })
    for (let i = 0; i < 300; i++) await lineage.append(numbered(i))
    await lineage.checkpoint()
    await lineage.append(numbered(300))
    const target = join(temporaryDirectory(), 'out')
    await exportLog(dir, target)
    await lineage.close()
    expect(readdirSync(target)).not.toContain('state')
    expect(await indexes(LogReader.open(target))).toEqual(upTo(300))
  })

  test('with a damaged tail: what the checkpoint stands for', async () => {
    const dir = temporaryDirectory()
    const lineage = await openLog(dir, { signer: testSigner() })
    for (let i = 0; i < 300; i++) await lineage.append(numbered(i))
    await lineage.checkpoint()
    for (let i = 300; i < 310; i++) await lineage.append(numbered(i))
    await lineage.close()
    const copy = temporaryDirectory()
    cpSync(dir, copy, { recursive: true })
    for (const name of readdirSync(join(copy, 'state/tail')))
      writeFileSync(join(copy, 'state/tail', name), 'x')
    const reader = LogReader.open(copy)
    expect(reader.tailFault).toContain('no valid header')
    expect(await indexes(reader)).toEqual(upTo(300))
    rmSync(join(copy, 'checkpoint'))
    expect(() => LogReader.open(copy)).toThrow('no valid header')
  })

  test('with pipes in the place of files, which nobody waits for', async () => {
    const directory = temporaryDirectory()
    mkdirSync(join(directory, 'state/tail'), { recursive: true })
    const checkpoint = join(directory, 'checkpoint')
    execFileSync('mkfifo', [checkpoint, join(directory, 'state/tail', '0'.repeat(16))])
    expect(() => LogReader.open(directory)).toThrow('checkpoint is not a regular file')
    rmSync(checkpoint)
    expect(() => LogReader.open(directory)).toThrow('0000 is not a regular file')
  })

  test('that is none, or has a bundle missing or cut', async () => {
    const none = temporaryDirectory()
    expect(() => LogReader.open(none)).toThrow(expect.objectContaining({ code: 'LINEAGE_ABSENT' }))
    mkdirSync(join(none, 'checkpoint'))
    expect(() => LogReader.open(none)).toThrow(expect.objectContaining({ code: 'LINEAGE_BROKEN' }))
    const dir = temporaryDirectory()
    const lineage = await openLog(dir, { signer: testSigner() })
    for (let i = 0; i < 600; i++) void lineage.append(numbered(i))
    await lineage.append(numbered(600))
    await lineage.checkpoint()
    await lineage.close()
    rmSync(join(dir, 'state'), { recursive: true })
    rmSync(join(dir, 'tile/entries/000'))
    await expect(indexes(LogReader.open(dir), 0, 10)).rejects.toMatchObject({ code: 'LINEAGE_BROKEN' })
    writeFileSync(join(dir, 'tile/entries/000'), 'x')
    await expect(indexes(LogReader.open(dir), 0, 10)).rejects.toMatchObject({ code: 'BUNDLE_MALFORMED' })
    const span = { sinceMs: 0, untilMs: 0 }
    await expect(LogReader.open(dir).locate(span)).rejects.toMatchObject({ code: 'LINEAGE_BROKEN' })
    expect(await indexes(LogReader.open(dir), 256, 601)).toEqual(upTo(601, 256))
  })
})

describe('spans of time', () => {
  test('are found by the writer and by the reader alike, in bundles and in the tail', async () => {
    const dir = temporaryDirectory()
    const lineage = await openLog(dir)
    const base = Date.parse('2026-11-21T02:00:00.000Z')
    const at = (i: number) => ({ ...numbered(i), time: new Date(base + 1000 * i).toISOString() })
    for (let i = 0; i < 1000; i++) void lineage.append(at(i))
    await lineage.append(at(1000))
    const reader = LogReader.open(dir)
    for (const [since, until] of [
      [0, 1000],
      [255, 256],
      [256, 257],
      [511, 999],
      [998, 998],
    ] as const) {
      const span = [base + 1000 * since - 1, base + 1000 * until] as const
      expect(await lineage.locate(...span)).toEqual({ from: BigInt(since), to: BigInt(until + 1) })
      expect(await reader.locate({ sinceMs: span[0], untilMs: span[1] })).toEqual({
        from: since,
        to: until + 1,
      })
    }
    expect(await lineage.locate(base + 1e9, null)).toEqual({ from: 1001n, to: 1001n })
    expect(await lineage.locate(null, base - 1)).toEqual({ from: 0n, to: 0n })
    await lineage.close()
  })
})

describe('who waits for the log to grow', () => {
  test('goes on at the next durable entry, at a close, and when it is no longer interested', async () => {
    const lineage = await openLog(temporaryDirectory())
    const never = new AbortController()
    await lineage.append(numbered(0))
    await lineage.grownBeyond(0n, never.signal)
    let grown = 0
    const waiting = lineage.grownBeyond(1n, never.signal).then(() => grown++)
    await new Promise(resolve => setTimeout(resolve, 10))
    expect(grown).toBe(0)
    await lineage.append(numbered(1))
    await waiting
    expect([grown, lineage.size]).toEqual([1, 2n])
    const left = new AbortController()
    const gone = lineage.grownBeyond(2n, left.signal)
    left.abort()
    await gone
    const closed = lineage.grownBeyond(2n, never.signal)
    await lineage.close()
    await closed
  })
})
