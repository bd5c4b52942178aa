import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { treeManifest } from '../../authorization/index.ts'
import { treeOf } from '../../cli/tree.ts'
import { isRoot, newId, sleep, TestHost, type Writd } from './host.ts'

const remembers = [0xef53, 0x58465342, 0x9123683e].includes(statfsSync(tmpdir()).type)

/** A directory is one subject, and is seen as it was when it was digested. */
describe.skipIf(!isRoot)('a directory', () => {
  const host = new TestHost({ store_bytes: String(64 << 20), store_min_bytes: '4096' })
  const store = join(host.directory, 'store')
  host.config.store = store
  const at = (name: string): string => join(host.directory, name)
  let writd: Writd

  const tree = (
    name: string,
    files: Readonly<Record<string, string>> = { a: 'one', 'b/c': 'two' },
  ): string => {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(join(at(name), path, '..'), { recursive: true })
      writeFileSync(join(at(name), path), text)
    }
    return at(name)
  }
  const stage = async (path: string, kind: 'tree' | 'file' = 'tree', as?: { uid: number; gid: number }) => {
    const id = newId()
    const [, found] = await writd.client.stage(id, ['/bin/true', { path, kind }], as)
    writd.client.abandon(id)
    return found === undefined || 'error' in found ? (found?.error ?? '') : found.sha256
  }
  const entries = (): string[] => {
    const [run = ''] = readdirSync(store)
    return readdirSync(join(store, run)).map(entry => join(store, run, entry))
  }
  const settled = tree('settled', { 'bin/tool': '#!/bin/sh\n', data: 'x', 'lib/deep/er': 'y' })

  beforeAll(async () => {
    await host.start()
    writd = await host.connect()
  })
  afterAll(async () => {
    writd?.client.close()
    await host.stop()
  })

  it('has one digest, whoever makes it', async () => {
    const top = tree('gnarly', { 'a/x': '1', 'a-b': '2', 'é ü': '3', 'z/empty-file': '' })
    chmodSync(join(top, 'a-b'), 0o755)
    mkdirSync(join(top, 'empty'))
    symlinkSync('../../etc/shadow', join(top, 'out'))
    symlinkSync('loop', join(top, 'loop'))
    writeFileSync(Buffer.concat([Buffer.from(`${top}/`), Buffer.from([0xff, 0x0a])]), 'bytes')
    const { sha256, size } = await treeOf(top)
    const id = newId()
    expect((await writd.client.stage(id, ['/bin/true', { path: top, kind: 'tree' }]))[1]).toEqual({
      path: top,
      sha256,
      size,
    })
    writd.client.abandon(id)
    const nothing = at('nothing')
    mkdirSync(nothing)
    expect(await stage(nothing)).toBe((await treeOf(nothing)).sha256)
    // Owner, times, other modes and hard links are not in it.
    const same = await stage(settled)
    utimesSync(join(settled, 'data'), 1, 1)
    chmodSync(join(settled, 'data'), 0o666)
    chownSync(join(settled, 'data'), 64400, 64400)
    expect(await stage(settled)).toBe(same)
    chmodSync(join(settled, 'data'), 0o755)
    expect(await stage(settled)).not.toBe(same)
  })

  it('is shown as it was, whatever happens to it on the host, and nobody can write there', async () => {
    const top = tree('shown')
    symlinkSync('b/c', join(top, 'link'))
    const running = await writd.prepare(
      [
        '/bin/sh',
        '-c',
        `cd ${top}; cat a link; ls; echo x >a; echo x >new; rm a; ls -ln a | cut -d' ' -f1,3`,
      ],
      { subjects: ['/bin/sh', { path: top, kind: 'tree' }] },
    )
    writeFileSync(join(top, 'a'), 'changed')
    renameSync(join(top, 'b'), join(top, 'moved'))
    writeFileSync(join(top, 'planted'), '')
    await writd.client.start(running.executionId, 1n)
    expect(await running.output).toBe('onetwoa\nb\nlink\n-r--r--r-- 0\n')
    expect((await running.errors).match(/Read-only file system|Permission denied/g)).toHaveLength(3)
    expect((await running.ended).exitCode).toBe(0)
    expect(await stage(top)).toBe((await treeOf(top)).sha256)
  })

  it('is refused with another digest', async () => {
    const top = tree('other-digest')
    const [shell, found] = await writd.client.stage(newId(), ['/bin/sh', { path: top, kind: 'tree' }])
    if (shell === undefined || found === undefined || 'error' in shell || 'error' in found)
      throw new Error('not staged')
    writeFileSync(join(top, 'b/c'), 'TWO')
    const run = writd.run(['/bin/sh', '-c', ':'], {
      subjects: ['/bin/sh', { path: top, kind: 'tree' }],
      digests: [shell.sha256, found.sha256],
    })
    await expect(run).rejects.toMatchObject({ code: 'DIGEST_MISMATCH', index: 1 })
  })

  it('is never a file, nor the other way round, with whatever bytes', async () => {
    const top = tree('kinds')
    const manifest = at('manifest')
    writeFileSync(
      manifest,
      treeManifest([{ path: Buffer.from('a'), kind: 'file', executable: false, sha256: '0'.repeat(64) }]),
    )
    expect(await stage(manifest)).toBe('SUBJECT_OPEN (ENOTDIR)')
    expect(await stage(top, 'file')).toBe('SUBJECT_NOT_REGULAR')
    // Both in the store, under one digest: each is found as what it is.
    const large = Array.from({ length: 40 }, (_, i) => [`${i}`.padStart(120, '0'), ''] as const)
    const wide = tree('wide', Object.fromEntries(large))
    const sha256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
    writeFileSync(
      manifest,
      treeManifest(
        large.map(([path]) => ({ path: Buffer.from(path), kind: 'file', executable: false, sha256 })),
      ),
    )
    const digest = (await treeOf(wide)).sha256
    expect([await stage(wide), await stage(manifest, 'file')]).toEqual([digest, digest])
    const both = await writd.run(['/bin/sh', '-c', `ls ${wide} | wc -l; wc -l <${manifest}`], {
      subjects: ['/bin/sh', { path: wide, kind: 'tree' }, manifest],
    })
    expect(both.stdout).toBe('40\n0\n')
    rmSync(wide, { recursive: true })
    await expect(
      writd.client.stage(newId(), [{ path: top, kind: 'tree' }]).then(found => found[0]),
    ).rejects.toMatchObject({ code: 'MALFORMED' })
  })

  it('is refused with what cannot be part of it, or may not be read', async () => {
    const top = tree('special')
    execFileSync('mkfifo', [join(top, 'b/fifo')])
    expect(await stage(top)).toBe('SUBJECT_NOT_REGULAR')
    rmSync(join(top, 'b/fifo'))
    chmodSync(join(top, 'b/c'), 0o600)
    expect(await stage(top)).toBe('SUBJECT_OPEN (EACCES)')
    chmodSync(join(top, 'b/c'), 0o644)
    chmodSync(join(top, 'b'), 0o711)
    expect(await stage(top)).toBe('SUBJECT_OPEN (EACCES)')
    let deep = at('deep')
    for (let i = 0; i < 34; i++) deep = join(deep, 'd')
    mkdirSync(deep, { recursive: true })
    expect(await stage(at('deep'))).toBe('SUBJECT_TOO_LARGE (ELOOP)')
    expect(await stage(at('deep/d/d'))).toMatch(/^[0-9a-f]{64}$/)
    const big = tree('big', { large: '' })
    execFileSync('truncate', ['-s', '65M', join(big, 'large')])
    expect(await stage(big)).toBe('CAPACITY')
    expect(await stage(at('none'))).toBe('SUBJECT_OPEN (ENOENT)')
  })

  it.skipIf(!remembers)(
    'is found again without being read, and a change in it is seen, with its times put back',
    async () => {
      const top = tree('again', { a: 'one', 'b/c': 'two', 'b/d/e': 'three' })
      const lib = join(top, 'lib')
      writeFileSync(lib, 'z'.repeat(24 << 20))
      await sleep(3100)
      const timed = async (): Promise<[string, number]> => {
        const from = performance.now()
        return [await stage(top), performance.now() - from]
      }
      const [first, long] = await timed()
      const [second, short] = await timed()
      expect(second).toBe(first)
      expect(short).toBeLessThan(long / 2)
      const file = join(top, 'b/d/e')
      const { atime, mtime } = statSync(file)
      writeFileSync(file, 'THREE')
      utimesSync(file, atime, mtime)
      expect(await stage(top)).toBe((await treeOf(top)).sha256)
      for (const path of [file, join(top, 'b/d')]) lutimesSync(path, atime, mtime)
      renameSync(file, join(top, 'b/d/f'))
      expect(await stage(top)).toBe((await treeOf(top)).sha256)
    },
  )

  it('lies within another, holds other subjects, and takes nothing writable in', async () => {
    const outer = tree('outer', { 'inner/a': '1', 'inner/b': '2', own: '3' })
    const inner = join(outer, 'inner')
    const file = join(outer, 'own')
    const trees = [inner, outer].map(path => ({ path, kind: 'tree' as const }))
    const script = `cat ${inner}/a ${file}`
    const { stdout } = await writd.run(['/bin/sh', '-c', script], { subjects: ['/bin/sh', file, ...trees] })
    expect(stdout).toBe('13')
    for (const path of [outer, inner, join(inner, 'a')]) chmodSync(path, 0o777)
    for (const writable of [outer, inner, join(inner, 'a')]) {
      const run = writd.run(['/bin/sh', '-c', ':'], { subjects: ['/bin/sh', ...trees], writable: [writable] })
      await expect(run).rejects.toMatchObject({
        code: expect.stringMatching(/^(WRITABLE_REFUSED|SUBJECT_HIDDEN)$/),
      })
    }
  })

  it('keeps its path when somebody else owns what is above it', async () => {
    const owned = `/var/tmp/writ-tree-${newId()}`
    mkdirSync(join(owned, 'top/lib'), { recursive: true })
    writeFileSync(join(owned, 'top/lib/data'), 'original')
    try {
      for (const path of [owned, join(owned, 'top'), join(owned, 'top/lib')]) chownSync(path, 64400, 64400)
      const running = await writd.prepare(['/bin/cat', join(owned, 'top/lib/data')], {
        subjects: ['/bin/cat', { path: join(owned, 'top'), kind: 'tree' }],
      })
      renameSync(join(owned, 'top'), join(owned, 'old'))
      mkdirSync(join(owned, 'top/lib'), { recursive: true })
      writeFileSync(join(owned, 'top/lib/data'), 'swapped')
      await writd.client.start(running.executionId, 1n)
      expect(await running.output).toBe('original')
    } finally {
      rmSync(owned, { recursive: true, force: true })
    }
  })

  it('leaves nothing behind when its copying is cut off', async () => {
    const top = tree(
      'cut',
      Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`d${i % 7}/${i}`, 'x'.repeat(50_000)])),
    )
    const before = entries().length
    const id = newId()
    const cut = writd.client.stage(id, ['/bin/true', { path: top, kind: 'tree' }]).catch(error => error.code)
    await sleep(30)
    writd.client.abandon(id)
    expect(await cut).toBe('ENDED')
    for (let i = 0; entries().length > before && i < 200; i++) await sleep(20)
    expect(entries()).toHaveLength(before)
    expect(await stage(top)).toBe((await treeOf(top)).sha256)
  })

  it('needs the store', async () => {
    const without = new TestHost()
    await without.start()
    const other = await without.connect()
    try {
      const [, found] = await other.client.stage(newId(), ['/bin/true', { path: settled, kind: 'tree' }])
      expect(found).toEqual({ path: settled, error: 'CAPACITY' })
    } finally {
      other.client.close()
      await without.stop()
    }
  })
})
