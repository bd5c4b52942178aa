import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Lineage } from '../../lineage/index.ts'
import { checkTileNames } from '../../lineage/tree/tile-names.ts'
import { fill, openLog, type TestSigner, temporaryDirectory, testSigner } from './support/log.ts'

/** Entries of the log below: three full tiles, a partial one, and one checkpoint. */
const SIZE = 900
const root = process.getuid?.() === 0

/** A log that was stopped cleanly, with a checkpoint, whose first entries are only in tiles. */
async function stopped(): Promise<{ directory: string; signer: TestSigner }> {
  const directory = temporaryDirectory()
  const signer = testSigner()
  for (const [from, to] of [
    [0, 800],
    [800, SIZE],
  ] as const) {
    const log = await openLog(directory, { signer })
    await fill(log, from, to)
    await log.checkpoint()
    await log.close()
  }
  return { directory, signer }
}

function flip(path: string, at: number): void {
  const bytes = readFileSync(path)
  bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at)
  writeFileSync(path, bytes)
}

/** What is done to a file, and what the next start says. */
type Case = readonly [
  what: string,
  file: string,
  harm: (path: string, directory: string) => void,
  says: { code: string; at?: string },
]

const broken = (at: string) => ({ code: 'LINEAGE_BROKEN', at })
const rolledBack = (at: string) => ({ code: 'LINEAGE_ROLLED_BACK', at })
const unavailable = (at: string) => ({ code: 'LINEAGE_UNAVAILABLE', at })
const remove = (path: string) => rmSync(path, { recursive: true })
const TAIL = 'state/tail/0000000000000768'

const CASES: readonly Case[] = [
  ['a bundle far back that is missing', 'tile/entries/000', remove, broken('tile/entries/000')],
  ['a tile far back that is missing', 'tile/0/001', remove, broken('tile/0/001')],
  ['the newest tile that is missing', 'tile/0/002', remove, broken('tile/0/002')],
  ['all tiles that are missing', 'tile', remove, broken('tile/0/000')],
  ['a level of tiles that is missing', 'tile/entries', remove, broken('tile/entries/000')],
  [
    'a partial tile of the checkpoint that is missing',
    'tile/0/003.p/132',
    remove,
    broken('tile/0/003.p/132'),
  ],
  [
    'a partial bundle of the checkpoint that is missing',
    'tile/entries/003.p/132',
    remove,
    broken('tile/entries/003.p/132'),
  ],
  ['a partial tile that is damaged', 'tile/1/000.p/3', path => flip(path, 9), broken('tile/1/000.p/3')],
  [
    'a partial bundle that is damaged',
    'tile/entries/003.p/132',
    path => flip(path, 99),
    broken('tile/entries/003.p/132'),
  ],
  [
    'a tile at the edge of another length',
    'tile/0/002',
    path => truncateSync(path, 8000),
    broken('tile/0/002'),
  ],
  [
    'a tile of entries that there are not',
    'tile/0/003',
    path => writeFileSync(path, Buffer.alloc(8192)),
    rolledBack('tile/0/003'),
  ],
  [
    'a partial tile of entries that there are not',
    'tile/0/003.p/133',
    path => writeFileSync(path, 'x'),
    rolledBack('tile/0/003.p/133'),
  ],
  ['a stray file among the tiles', 'tile/0/002~', path => writeFileSync(path, ''), broken('tile/0/002~')],
  ['a stray number among the tiles', 'tile/0/1e2', path => writeFileSync(path, ''), broken('tile/0/1e2')],
  ['a second spelling of a tile', 'tile/0/x000', path => mkdirSync(path), broken('tile/0/x000')],
  ['a stray level of tiles', 'tile/7', path => mkdirSync(path), broken('tile/7')],
  ['a stray partial tile', 'tile/0/003.p/0132', path => writeFileSync(path, ''), broken('tile/0/003.p/0132')],
  [
    'a stray file in the tail',
    'state/tail/0000000000000768.bak',
    path => writeFileSync(path, ''),
    broken('state/tail/0000000000000768.bak'),
  ],
  [
    'a directory in place of a tile',
    'tile/0/001',
    path => {
      remove(path)
      mkdirSync(path)
    },
    broken('tile/0/001'),
  ],
  ['a link in place of a tile', 'tile/0/001', link, broken('tile/0/001')],
  ['a link in place of the checkpoint', 'checkpoint', link, broken('checkpoint')],
  ['a link in place of the tail', TAIL, link, broken(TAIL)],
  ['a link in place of a record', 'state/stop', link, broken('state/stop')],
  ['a link in place of the lock', 'state/lock', link, broken('state/lock')],
  ['a link in place of a directory', 'tile', link, broken('tile')],
  ['a link in place of the writer’s directory', 'state', link, broken('state')],
  [
    'a directory that others may write',
    'state/tail',
    path => chmodSync(path, 0o777),
    unavailable('state/tail'),
  ],
  ['a tail that was cut', TAIL, path => truncateSync(path, 1 << 20), broken(TAIL)],
  ['a tail that was cut by one byte', TAIL, path => truncateSync(path, (4 << 20) - 1), broken(TAIL)],
  ['a tail of nothing', TAIL, path => truncateSync(path, 0), broken(TAIL)],
  ['a tail that is missing', TAIL, remove, broken('checkpoint')],
  [
    'a tail under another name',
    TAIL,
    path => renameSync(path, path.replace('768', '512')),
    broken('state/tail/0000000000000512'),
  ],
  ['a damaged entry in the middle of the tail', TAIL, path => flip(path, 300), broken(TAIL)],
  ['a checkpoint that is missing', 'checkpoint', remove, broken('checkpoint')],
  ['a checkpoint that is damaged', 'checkpoint', path => truncateSync(path, 40), broken('checkpoint')],
  ['a checkpoint with a damaged signature', 'checkpoint', path => flip(path, 200), broken('checkpoint')],
  ['a record that is damaged', 'state/stop', path => writeFileSync(path, '{}'), broken('state/stop')],
  [
    'a record of a signature that is damaged',
    'state/pending',
    path => writeFileSync(path, ''),
    broken('state/pending'),
  ],
]

function link(path: string): void {
  renameSync(path, `${path.replace('/state/tail/', '/state/')}.away`)
  symlinkSync(`${path.replace('/state/tail/', '/state/')}.away`, path)
}

describe('a start refuses and names', () => {
  it.each(CASES)('%s', async (_, file, harm, says) => {
    const { directory, signer } = await stopped()
    harm(join(directory, file), directory)
    await expect(openLog(directory, { signer, create: false })).rejects.toMatchObject(says)
  })

  it.each([
    ['another TPM', (mine: TestSigner, other: TestSigner) => ({ ...mine, ak: other.ak })],
    ['another log key', (mine: TestSigner, other: TestSigner) => ({ ...mine, logKey: other.logKey })],
  ])('a checkpoint that is signed by %s', async (_, mix) => {
    const { directory, signer } = await stopped()
    const keys = mix(signer, testSigner())
    await expect(openLog(directory, { signer: keys })).rejects.toMatchObject(broken('checkpoint'))
    await (await openLog(directory, { signer })).close()
  })

  it('an older checkpoint in the place of the newest', async () => {
    const directory = temporaryDirectory()
    const signer = testSigner()
    const log = await openLog(directory, { signer })
    await fill(log, 0, 10)
    const { note } = await log.checkpoint()
    await fill(log, 10, 20)
    await log.checkpoint()
    await log.close()
    writeFileSync(join(directory, 'checkpoint'), note)
    await expect(openLog(directory, { signer })).rejects.toMatchObject(rolledBack('checkpoint'))
  })

  it.skipIf(!root)('a directory of another user (skipped unless root, who can give one away)', async () => {
    const { directory, signer } = await stopped()
    chownSync(join(directory, 'state/tail'), 4711, 4711)
    // Root may open what belongs to the daemon; the daemon has to own it.
    await (await openLog(directory, { signer })).close()
    process.seteuid?.(65_534)
    onTestFinished(() => process.seteuid?.(0))
    const { checkPlaces } = await import('../../lineage/writer/places.ts')
    expect(() => checkPlaces(directory)).toThrow(/EACCES|belongs to uid 4711/)
  })
})

describe('while the log is open', () => {
  /** What reads a part of the log that only files have. */
  const READS: [string, (log: Lineage) => Promise<unknown>][] = [
    ['an entry', log => log.entry(3n)],
    ['entries', log => log.readEntries(0n, 10n)],
    ['the check of a bundle', log => log.recheck(0)],
  ]

  it.each(READS)(
    '%s that was changed is not given out, nothing is written any more, and the next start remembers',
    async (_, read) => {
      const { directory, signer } = await stopped()
      const path = join(directory, 'tile/entries/000')
      const whole = readFileSync(path)
      const log = await openLog(directory, { signer })
      await log.entry(3n)
      flip(path, whole.indexOf('"bootNs":"3"') + 10)
      await expect(read(log)).rejects.toMatchObject(broken('tile/entries/000'))
      expect(await log.failed).toMatchObject(broken('tile/entries/000'))
      await expect(log.putBlob(Buffer.from('x'))).rejects.toMatchObject(broken('tile/entries/000'))
      await fill(log, 0, 1).then(
        () => expect.fail('it was appended'),
        error => expect(error).toMatchObject(broken('tile/entries/000')),
      )
      await log.close()
      await expect(openLog(directory, { signer })).rejects.toMatchObject(broken('tile/entries/000'))
      // Put back from a copy, the log goes on, and says that it was not stopped cleanly.
      writeFileSync(path, whole)
      const again = await openLog(directory, { signer })
      expect(again.openedAfterUncleanStop).toBe(true)
      expect(existsSync(join(directory, 'state/damaged'))).toBe(false)
      await again.close()
    },
  )

  it('a tile that was changed is not what proofs are made of', async () => {
    const { directory, signer } = await stopped()
    const log = await openLog(directory, { signer })
    flip(join(directory, 'tile/0/001'), 77)
    await expect(log.inclusionProof(300n, 900n)).rejects.toMatchObject(broken('tile/0/001'))
    await log.close()
    // It is at the edge, where a start reads all.
    await expect(openLog(directory, { signer })).rejects.toMatchObject(broken('tile'))
  })

  it('a damaged note of damage is damage', async () => {
    const { directory, signer } = await stopped()
    writeFileSync(join(directory, 'state/damaged'), 'tile/0/001')
    await expect(openLog(directory, { signer })).rejects.toMatchObject(broken('state/damaged'))
  })

  it('only bundles that are in tiles can be checked', async () => {
    const { directory, signer } = await stopped()
    const log = await openLog(directory, { signer })
    expect(log.bundles).toBe(3)
    for (const bundle of [0, 1, 2]) await log.recheck(bundle)
    for (const bundle of [-1, 3, 0.5, Number.NaN])
      await expect(log.recheck(bundle)).rejects.toMatchObject({
        code: bundle === 0.5 ? expect.any(String) : 'RANGE_INVALID',
      })
    await log.close()
  })
})

it('a thousand tiles and more are found under the names of the format', () => {
  const directory = temporaryDirectory()
  const put = (path: string) => {
    mkdirSync(join(directory, path, '..'), { recursive: true })
    writeFileSync(join(directory, path), '')
  }
  for (let index = 0; index < 1002; index++) {
    const digits = String(index % 1000).padStart(3, '0')
    for (const level of ['entries', '0']) put(`tile/${level}/${index < 1000 ? '' : 'x001/'}${digits}`)
  }
  for (const index of ['000', '001', '002']) put(`tile/1/${index}`)
  const size = 1002 * 256
  checkTileNames(directory, size, size + 5)
  expect(() => checkTileNames(directory, size - 256, size - 1)).toThrow(/beyond/)
  rmSync(join(directory, 'tile/entries/x001/001'))
  expect(() => checkTileNames(directory, size, size)).toThrow('tile/entries/x001/001 is missing')
  put('tile/entries/x001/001')
  rmSync(join(directory, 'tile/1/002'))
  expect(() => checkTileNames(directory, size, size)).toThrow('tile/1/002 is missing')
})
