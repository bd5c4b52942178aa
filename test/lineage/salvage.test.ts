import { execFileSync } from 'node:child_process'
import {
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { sha256Hex } from '../../encoding/digest.ts'
import { inspectLog, listFiles, salvage } from '../../lineage/index.ts'
import { counter, damage, makeLog } from './support/epochs.ts'
import { CONFIG, fill, numbered, ORIGIN, openLog, temporaryDirectory } from './support/log.ts'

describe('what is left of a log', () => {
  test('is all of it where nothing is wrong, and nothing is written', async () => {
    const { directory } = await makeLog(300)
    const before = (await listFiles(directory)).toString()
    const seen: number[] = []
    const found = await inspectLog(directory, ORIGIN, (_, index) => void seen.push(index))
    expect(found).toMatchObject({ faults: [], beyond: 0, origin: ORIGIN, epoch: 1 })
    expect(found.beginning.size).toBe(300)
    expect(seen).toEqual(Array.from({ length: 300 }, (_, i) => i))
    expect((await listFiles(directory)).toString()).toBe(before)
  })

  // Entries 0 to 255 are in tiles, the rest in the tail.
  test.each<[string, (directory: string) => void, number, string]>([
    ['a damaged bundle', d => damage(join(d, 'tile/entries/000'), 5_000), -1, 'tile/entries/000'],
    ['a missing bundle', d => rmSync(join(d, 'tile/entries/000')), 0, 'tile/entries/000'],
    ['a cut bundle', d => truncateSync(join(d, 'tile/entries/000'), 900), 0, 'tile/entries/000'],
    ['a link in place of a bundle', linkBundle, 0, 'tile/entries/000'],
    ['a damaged tile', d => damage(join(d, 'tile/0/000'), 32 * 100), 100, 'tile'],
    ['a missing tile', d => rmSync(join(d, 'tile/0/000')), 300, 'tile/0/000'],
    ['no tail', d => rmSync(join(d, 'state/tail'), { recursive: true }), 300, 'checkpoint'],
    ['a damaged record', d => writeFileSync(join(d, 'state/anchor'), '{}'), 300, 'state/anchor'],
    ['no record of the counter', d => rmSync(join(d, 'state/anchor')), 300, 'state/anchor'],
    ['a damaged checkpoint', d => damage(join(d, 'checkpoint'), 2), 300, 'checkpoint'],
  ])('with %s', async (_, breaks, size, at) => {
    const { directory } = await makeLog(300)
    breaks(directory)
    const found = await inspectLog(directory, ORIGIN)
    expect(found.faults.length).toBeGreaterThan(0)
    expect(found.faults.map(fault => fault.at ?? '').some(path => path.startsWith(at))).toBe(true)
    if (size >= 0) expect(found.beginning.size).toBe(size)
    else expect(found.beginning.size).toBeLessThan(256)
    expect(found.beginning.size + found.beyond).toBeGreaterThan(0)
  })

  test('ends at the newest promise that holds where a later one does not', async () => {
    const { directory, signer, nv } = await makeLog(3)
    const anchor = readFileSync(join(directory, 'state/anchor'))
    const other = `${directory}.other`
    cpSync(directory, other, { recursive: true })
    const log = await openLog(directory, { signer, counter: nv })
    await fill(log, 3, 20)
    await log.checkpoint()
    await log.close()
    const fork = await openLog(other, { signer, counter: counter(nv.value - 2n) })
    await fill(fork, 50, 80)
    await fork.close()
    rmSync(join(directory, 'state/tail'), { recursive: true })
    cpSync(join(other, 'state/tail'), join(directory, 'state/tail'), { recursive: true })
    rmSync(join(directory, 'tile'), { recursive: true })
    rmSync(join(directory, 'state/stop'))
    writeFileSync(join(directory, 'state/anchor'), anchor)
    const found = await inspectLog(directory, ORIGIN)
    expect(found.faults).toContainEqual({
      code: 'LINEAGE_BROKEN',
      message: 'it speaks of another tree of 20 entries',
      at: 'checkpoint',
    })
    expect(found.beginning.size).toBe(3)
    expect(found.beyond).toBe(30)
  })

  test('in a damaged tail is what lies before and behind the damage', async () => {
    const { directory, signer } = await makeLog(3)
    const log = await openLog(directory, { signer, counter: counter(9n) })
    for (let n = 3; n < 40; n++) await log.append(numbered(n))
    await log.close()
    const tail = join(directory, 'state/tail')
    const path = join(tail, readdirSync(tail).filter(name => name !== 'spare')[0] ?? '')
    const bytes = readFileSync(path)
    const at = bytes.indexOf('"bootNs":"20"')
    expect(at).toBeGreaterThan(0)
    damage(path, at + 10)
    const seen: number[] = []
    const found = await inspectLog(directory, ORIGIN, (_, index) => void seen.push(index))
    expect(found.beginning.size).toBe(20)
    expect(seen).toEqual(Array.from({ length: 40 }, (_, i) => i).filter(i => i !== 20))
    expect(found.beyond).toBe(19)
  })

  test('does not take longer for files with the numbers of entries that there never were', async () => {
    const { directory } = await makeLog(300)
    const bundle = join(directory, 'tile/entries/000')
    for (const far of ['x999/x999/x999/999', 'x009/x007/x199/x254/x740/991']) {
      mkdirSync(join(directory, 'tile/entries', far, '..'), { recursive: true })
      cpSync(bundle, join(directory, 'tile/entries', far))
    }
    mkdirSync(join(directory, 'state/tail'), { recursive: true })
    execFileSync('mkfifo', [join(directory, 'state/tail/9999999999999999')])
    const found = await inspectLog(directory, ORIGIN)
    expect(found.beginning.size).toBe(300)
    expect(found.beyond).toBe(256)
  })

  test('never throws, whatever the files are', async () => {
    const { directory } = await makeLog(300)
    const files = (await listFiles(directory))
      .toString()
      .split('\n')
      .map(line => line.slice(66))
      .filter(path => path !== '' && !path.startsWith('evidence'))
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...files),
        fc.oneof(fc.uint8Array({ maxLength: 64 }), fc.constant(null)),
        fc.nat(5_000),
        async (name, bytes, at) => {
          const copy = join(temporaryDirectory(), 'lineage')
          cpSync(directory, copy, { recursive: true })
          const path = join(copy, name)
          if (bytes === null) rmSync(path)
          else {
            const old = readFileSync(path)
            Buffer.from(bytes).copy(old, Math.min(at, old.length))
            writeFileSync(path, old)
          }
          const found = await inspectLog(copy, ORIGIN)
          expect(found.beginning.size).toBeLessThanOrEqual(300)
        },
      ),
      { numRuns: Number(process.env.WRIT_FUZZ_RUNS ?? 8) },
    )
  })
})

function linkBundle(directory: string): void {
  const path = join(directory, 'tile/entries/000')
  renameSync(path, `${directory}.elsewhere`)
  symlinkSync(`${directory}.elsewhere`, path)
}

describe('the list of files', () => {
  test('is what sha256sum writes, in one order, with links and what cannot be a file named', async () => {
    const directory = temporaryDirectory()
    mkdirSync(join(directory, 'b'))
    writeFileSync(join(directory, 'b/one'), 'x')
    writeFileSync(join(directory, 'a'), '')
    writeFileSync(join(directory, 'new\nline'), '')
    symlinkSync('/etc/passwd', join(directory, 'link'))
    const empty = sha256Hex(Buffer.alloc(0))
    expect((await listFiles(directory)).toString()).toBe(
      [
        `${empty}  a`,
        `${sha256Hex(Buffer.from('x'))}  b/one`,
        `${'link'.padEnd(64, '-')}  link`,
        `${empty}  "new\\nline"`,
        '',
      ].join('\n'),
    )
  })

  test('that is too long leaves out what is named by its own digest, and commits to it all the same', async () => {
    const { directory } = await makeLog(3)
    const all = await listFiles(directory)
    const short = await listFiles(directory, 200)
    expect(short.toString()).toMatch(/^# 1 blobs of evidence under their own digests, names [0-9a-f]{64}\n/)
    expect(short.length).toBeLessThan(all.length)
    // A blob that does not hold what its name says is listed.
    damage(
      join(directory, `evidence/sha256/${sha256Hex(CONFIG).slice(0, 2)}/${sha256Hex(CONFIG).slice(2)}`),
      0,
    )
    expect((await listFiles(directory, 200)).toString()).toMatch(/^# 0 blobs(?:.|\n)*evidence\/sha256/)
  })
})

test('nobody is needed to look at what is left of nothing', async () => {
  const directory = join(temporaryDirectory(), 'lineage')
  expect(await salvage(directory, () => undefined)).toMatchObject({ beyond: 0, faults: [], note: null })
  expect(await inspectLog(directory, ORIGIN)).toMatchObject({ faults: [{ code: 'LINEAGE_ABSENT' }] })
})
