import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { archiveName, exportLog, formatNoteKey, stageImport } from '../../lineage/index.ts'
import { CONFIG, daemonStart, fill, ORIGIN, openLog, testSigner } from '../lineage/support/log.ts'
import { writeTiledLog } from '../lineage/support/tiled-log.ts'
import { testLog } from '../lineage/support/witness.ts'
import { temporaryDirectory, writ } from './cli.ts'

describe('an archive of logs', () => {
  const dir = temporaryDirectory()
  const signer = testSigner()
  const key = ['--log-key', formatNoteKey(ORIGIN, signer.logKey.public)]
  const add = (source: string, archive: string, ...args: string[]) =>
    writ(['lineage', 'import', source, '--archive', archive, ...args], { cwd: dir.path })
  const verify = (path: string, ...args: string[]) =>
    writ(['lineage', 'verify', path, ...args], { cwd: dir.path })
  const kept = (archive: string) => join(archive, archiveName(ORIGIN), 'lineage')
  const filesOf = (path: string) =>
    readdirSync(dir.in(path), { recursive: true, withFileTypes: true })
      .filter(item => item.isFile())
      .map(item => join(item.parentPath, item.name).slice(dir.in(path).length))
      .sort()

  async function makeLog(name: string, offset: number) {
    const log = await openLog(dir.in(name), { signer })
    await log.putBlob(CONFIG)
    await log.append(daemonStart(signer.logKey, Buffer.from(signer.ak.name).toString('hex')))
    await fill(log, offset + 1, offset + 300)
    await log.checkpoint()
    await exportLog(dir.in(name), dir.in(`${name}-300`))
    await fill(log, offset + 300, offset + 700)
    await log.checkpoint()
    await log.close()
    await exportLog(dir.in(name), dir.in(`${name}-700`))
  }

  beforeAll(async () => {
    await makeLog('log', 0)
    // The same host and key, another history.
    await makeLog('fork', 5000)
  })
  afterAll(() => dir.remove())

  it('takes a log, read-only, and what it has grown by', async () => {
    const first = await add('log-300', 'a', ...key)
    expect([first.status, first.stderr]).toEqual([0, ''])
    expect(first.stdout).toMatch(/300 entries\n$/)
    expect(filesOf(kept('a'))).toEqual(filesOf('log-300'))
    const tile = join(dir.in(kept('a')), 'tile/0/000')
    expect(statSync(tile).mode & 0o777).toBe(0o440)
    const { ino } = statSync(tile)
    const more = await add('log-700', 'a', ...key)
    expect([more.status, more.stdout]).toEqual([
      0,
      expect.stringMatching(/700 entries, 300 of them there before\n$/),
    ])
    expect(filesOf(kept('a'))).toEqual(filesOf('log-700'))
    // What was there is not copied again.
    expect(statSync(tile).ino).toBe(ino)
    expect((await verify(kept('a'), ...key)).status).toBe(0)
    for (const again of ['log-300', 'log-700']) {
      const nothing = await add(again, 'a', ...key)
      expect([nothing.status, nothing.stdout]).toEqual([
        0,
        expect.stringMatching('nothing new: the archive has 700 entries'),
      ])
    }
    expect(filesOf(kept('a'))).toEqual(filesOf('log-700'))
    expect(readdirSync(dir.in('a')).sort()).toEqual(['.incoming', '.lock', '.previous', archiveName(ORIGIN)])
    expect([...readdirSync(dir.in('a/.incoming')), ...readdirSync(dir.in('a/.previous'))]).toEqual([])
  })

  it('refuses a fork, shorter or longer or as long, and what nothing vouches for', async () => {
    await add('log-300', 'b', ...key)
    const before = readFileSync(join(dir.in(kept('b')), 'checkpoint'))
    for (const fork of ['fork-700', 'fork-300']) {
      const refused = await add(fork, 'b', ...key)
      expect([refused.status, refused.stdout]).toEqual([1, expect.stringMatching('Keep both checkpoints')])
    }
    await add('log-700', 'c', ...key)
    expect((await add('fork-300', 'c', ...key)).stdout).toMatch(
      /FAILED +consistency with the earlier checkpoint/,
    )
    expect((await add('log-700', 'b')).status).toBe(1)
    expect((await add('log-700', 'b', '--log-key', testLog(ORIGIN).vkey)).status).toBe(1)
    expect(readFileSync(join(dir.in(kept('b')), 'checkpoint'))).toEqual(before)
    expect((await verify(kept('b'), ...key)).status).toBe(0)
  })

  it('refuses a damaged log, and one that cannot be read', async () => {
    cpSync(dir.in('log-700'), dir.in('damaged'), { recursive: true })
    const bundle = dir.in('damaged/tile/0/001')
    const bytes = readFileSync(bundle)
    bytes.writeUInt8(bytes.readUInt8(9) ^ 1, 9)
    writeFileSync(bundle, bytes)
    expect((await add('damaged', 'd', ...key)).status).toBe(1)
    expect(existsSync(dir.in(kept('d')))).toBe(false)
    rmSync(bundle)
    const unreadable = await add('damaged', 'd', ...key)
    expect([unreadable.status, unreadable.stderr]).toEqual([
      1,
      expect.stringMatching('tile/0/001 is missing'),
    ])
    expect((await add('none', 'd', ...key)).status).toBe(2)
    expect((await add('log-700', 'd')).status).toBe(1)
    expect((await add('log-700', 'd', ...key)).status).toBe(0)
  })

  it('has what an import that was cut short leaves as it was, and goes on with it', async () => {
    await add('log-300', 'e', ...key)
    const place = dir.in(join('e', archiveName(ORIGIN)))
    // Copying was cut short, in the middle of another size.
    cpSync(
      dir.in('fork-300/tile/0/001.p/44'),
      dir.in(join('e/.incoming', archiveName(ORIGIN), 'lineage/tile/0/001.p/44')),
    )
    writeFileSync(dir.in(join('e/.incoming', archiveName(ORIGIN), 'lineage/checkpoint.new')), 'half')
    expect((await add('log-700', 'e', ...key)).status).toBe(0)
    expect(filesOf(kept('e'))).toEqual(filesOf('log-700'))
    // Between the two renames, what was there is in neither place of its own.
    renameSync(place, dir.in(join('e/.previous', archiveName(ORIGIN))))
    expect((await add('log-700', 'e', ...key)).stdout).toMatch('nothing new: the archive has 700')
    // After both, the old one is left over.
    cpSync(place, dir.in(join('e/.previous', archiveName(ORIGIN))), { recursive: true })
    expect((await add('log-700', 'e', ...key)).stdout).toMatch('nothing new')
    expect(readdirSync(dir.in('e/.previous'))).toEqual([])
  })

  it('keeps evidence that the log has dropped since', async () => {
    await add('log-300', 'f', ...key)
    const evidence = filesOf('log-700').filter(path => path.includes('evidence'))
    cpSync(dir.in('log-700'), dir.in('bare'), { recursive: true })
    for (const path of evidence) rmSync(dir.in(join('bare', path)))
    // What no entry says was dropped may not be missing; the archive has it, so that the copy is whole.
    expect((await add('bare', 'f', ...key)).status).toBe(0)
    expect(filesOf(kept('f'))).toEqual(filesOf('log-700'))
    expect((await add('bare', 'g', ...key)).status).toBe(1)
  })

  it('takes one import at a time', async () => {
    const staged = await stageImport({ log: dir.in('log-300'), host: null }, dir.in('h'))
    expect((await add('log-700', 'h', ...key)).stderr).toMatch('LINEAGE_LOCKED')
    await staged.discard()
    expect((await add('log-700', 'h', ...key)).status).toBe(0)
  })

  it('takes logs of other makes', async () => {
    const other = testLog('other.example/a_b-c')
    mkdirSync(dir.in('other'))
    const entries = Array.from({ length: 300 }, (_, i) => Buffer.from(`${i}`))
    writeTiledLog(dir.in('other'), entries.slice(0, 200), other)
    expect((await add('other', 'i', '--log-key', other.vkey)).status).toBe(0)
    rmSync(dir.in('other'), { recursive: true })
    writeTiledLog(dir.in('other'), entries, other)
    expect((await add('other', 'i', '--log-key', other.vkey)).status).toBe(0)
    rmSync(dir.in('other'), { recursive: true })
    writeTiledLog(dir.in('other'), [...entries.slice(1), ...entries], other)
    expect((await add('other', 'i', '--log-key', other.vkey)).status).toBe(1)
    const place = join('i', archiveName(other.origin))
    expect((await verify(place, '--log-key', other.vkey)).stdout).toMatch('300 entries')
  })
})

describe('the name of a log in an archive', () => {
  it('is one for each origin, and a plain name', () => {
    expect(archiveName('writ/000b.x')).toBe('writ%2F000b.x')
    expect(archiveName('..')).toBe('%2E.')
    fc.assert(
      fc.property(
        fc.string({ minLength: 1, maxLength: 300 }),
        fc.string({ minLength: 1, maxLength: 300 }),
        (a, b) => {
          expect(archiveName(a)).toMatch(/^[A-Za-z0-9_%~-][A-Za-z0-9._%~-]{0,199}$/)
          if (Buffer.from(a).equals(Buffer.from(b))) return
          expect(archiveName(a)).not.toBe(archiveName(b))
        },
      ),
    )
  })
})
