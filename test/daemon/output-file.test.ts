import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import pino from 'pino'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { type OutputFile, parseFrames } from '../../daemon/output-file.ts'
import { OutputFiles } from '../../daemon/output-files.ts'

const DIRECTORY = mkdtempSync(join(tmpdir(), 'writ-output-'))
afterAll(() => rmSync(DIRECTORY, { recursive: true, force: true }))
const ID = 'a'.repeat(32)
const OTHER = 'b'.repeat(32)
const limits = { fileBytes: 64 << 10, totalBytes: 256 << 10, maxExecutions: 2, keptMs: 1e9 }
const silent = pino({ level: 'silent' })

let directory = ''
let count = 0
beforeEach(() => {
  directory = join(DIRECTORY, String(count++))
})
const openFiles = (change = {}) => OutputFiles.open(directory, { ...limits, ...change }, silent)

/** What a reader gets, as text; what is missing as [stdout+stderr]. */
async function text(file: OutputFile | undefined, follow = false): Promise<string> {
  let out = ''
  for await (const piece of file?.read(follow, new AbortController().signal) ?? [])
    out += piece.kind === 'gap' ? `[${piece.gap.stdout}+${piece.gap.stderr}]` : String(piece.bytes)
  return out
}
const onDisk = () =>
  readdirSync(directory).reduce((sum, name) => sum + statSync(join(directory, name)).size, 0)

describe('output in files', () => {
  test('is the daemon’s alone, comes in order, and outlasts the daemon', async () => {
    const files = await openFiles()
    const file = files.open(ID, 7n)
    await file.write('stdout', Buffer.from('one '))
    await file.write('stderr', Buffer.from('two '))
    expect(await text(file)).toBe('one two ')
    const following = text(file, true)
    await file.write('stdout', Buffer.from('three'))
    await files.end(ID)
    expect(await following).toBe('one two three')
    expect(statSync(directory).mode & 0o777).toBe(0o700)
    expect(readdirSync(directory).map(name => statSync(join(directory, name)).mode & 0o777)).toEqual([0o600])
    expect(await text((await openFiles()).get(ID))).toBe('one two three')
  })

  test('never takes more than its limit, keeps the newest and says what is missing', async () => {
    const files = await openFiles()
    const file = files.open(ID, 7n)
    let all = ''
    for (let i = 0; i < 3000; i++) {
      const line = `this is line ${i} of a program that writes and writes\n`
      all += line
      await file.write('stdout', Buffer.from(line))
      if (i % 100 === 0) expect(onDisk()).toBeLessThanOrEqual(limits.fileBytes)
    }
    const [, missing, rest = ''] = /^\[(\d+)\+0\](.*)$/s.exec(await text(file)) ?? []
    expect(rest).toBe(all.slice(Number(missing)))
    expect(rest.length).toBeGreaterThan(limits.fileBytes / 4)
    expect(readdirSync(directory)).toHaveLength(2)
    expect(files.bytes).toBe(onDisk())
  })

  test('of all together stays within the total: what has ended gives way, oldest first', async () => {
    const files = await openFiles({ totalBytes: 100_000 })
    for (const id of [ID, OTHER, 'c'.repeat(32)]) {
      await files.open(id, 7n).write('stdout', Buffer.alloc(40_000, 'x'))
      await files.end(id)
    }
    await expect.poll(onDisk).toBeLessThanOrEqual(100_000)
    expect(files.get(ID)).toBeUndefined()
    expect(files.get(OTHER)).toBeDefined()
  })

  test('that is old is gone at the next start, and what is not ours stays', async () => {
    const files = await openFiles()
    await files.open(ID, 7n).write('stdout', Buffer.from('old'))
    await files.end(ID)
    writeFileSync(join(directory, 'notes.txt'), 'mine')
    await new Promise(resolve => setTimeout(resolve, 20))
    expect((await openFiles({ keptMs: 1 })).get(ID)).toBeUndefined()
    await expect.poll(() => readdirSync(directory)).toEqual(['notes.txt'])
  })

  test('that was cut anywhere by a crash gives whole frames up to there', async () => {
    const files = await openFiles()
    const file = files.open(ID, 7n)
    for (let i = 0; i < 10; i++) await file.write('stdout', Buffer.from(`line ${i}\n`))
    await files.end(ID)
    const all = await text(file)
    const path = join(directory, `${ID}.7.0`)
    for (let size = statSync(path).size; size >= 0; size -= 7) {
      truncateSync(path, size)
      expect(all.startsWith(await text((await openFiles()).get(ID)))).toBe(true)
    }
  })

  test.skipIf(process.getuid?.() !== 0)(
    'is lost with a gap while the disk is full, and kept again afterwards (needs root)',
    async () => {
      mkdirSync(directory)
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'writ-test', directory])
      try {
        const files = await openFiles()
        const file = files.open(ID, 7n)
        await file.write('stdout', Buffer.from('before '))
        const rest = join(directory, 'full')
        try {
          writeFileSync(rest, Buffer.alloc(1 << 20))
        } catch {
          // That is the point.
        }
        for (let i = 0; i < 10; i++) await file.write('stdout', Buffer.alloc(1000, 'l'))
        expect((await text(file)).replace(/[^l]/g, '').length).toBeLessThan(6000)
        rmSync(rest)
        await file.write('stderr', Buffer.from('after'))
        await files.end(ID)
        const shown = await text(file)
        expect(shown).toMatch(/^before (l|\[\d+\+0\])*after$/)
        const missing = [...shown.matchAll(/\[(\d+)\+0\]/g)].reduce(
          (sum, [, bytes]) => sum + Number(bytes),
          0,
        )
        expect(missing + shown.replace(/[^l]/g, '').length).toBe(10_000)
        expect(missing).toBeGreaterThan(4000)
        expect(await text((await openFiles()).get(ID))).toBe(shown)
      } finally {
        execFileSync('umount', ['-l', directory])
      }
    },
  )

  test('is lost, and nothing else, where the directory cannot be used', async () => {
    writeFileSync(directory, 'a file')
    const files = await openFiles()
    const file = files.open(ID, 7n)
    await file.write('stdout', Buffer.from('lost'))
    await files.end(ID)
    expect(await text(file)).toBe('')
  })

  test('whatever a file holds, frames are within it', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), bytes => {
        const { frames, length } = parseFrames(Buffer.from(bytes))
        expect(length).toBeLessThanOrEqual(bytes.length)
        expect(frames.reduce((sum, frame) => sum + frame.bytes.length + 5, 0)).toBe(length)
      }),
    )
  })
})
