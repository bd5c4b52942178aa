import { spawnSync } from 'node:child_process'
import { readFileSync, statfsSync, truncateSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isRoot, newId, until } from './host.ts'
import { MB, StoreHost, settle } from './store-host.ts'

/** A large model or program. WRIT_SOAK=1: of 500 MB. */
const SIZE = (process.env.WRIT_SOAK === '1' ? 500 : 64) * MB
const HAS_STRACE = spawnSync('strace', ['-V']).status === 0
/** ext4, XFS, Btrfs: file systems by whose change times a copy is found again. */
const remembers = [0xef53, 0x58465342, 0x9123683e].includes(statfsSync(tmpdir()).type)

/** What moves bytes, and could be used to read or copy a file. */
const MOVES = 'read,pread64,readv,write,pwrite64,sendfile,copy_file_range,splice,mmap'

describe.skipIf(!isRoot || !remembers || !HAS_STRACE)(
  `a subject of ${SIZE / MB} MB (needs strace, and a file system that keeps change times)`,
  () => {
    const host = new StoreHost({ store_bytes: String(2.5 * SIZE) })
    const calls = host.path('calls')
    let program = ''
    let second = ''
    let third = ''
    beforeAll(async () => {
      // With holes, so that it costs the disk little; all of it is read and hashed as any other file.
      const large = (name: string): string => {
        const path = host.file(name, Buffer.concat([readFileSync('/bin/sh'), Buffer.from(name)]))
        truncateSync(path, SIZE)
        return path
      }
      program = large('program')
      second = large('second')
      third = large('third')
      await host.begin(['strace', '-D', '-f', '-qq', '-e', `trace=${MOVES}`, '-o', calls])
      await settle()
    })
    afterAll(() => host.stop())

    let seen = 0
    /** Bytes that were read and written since the last look; of mappings only of the whole file, as for hashing. */
    const moved = (): number => {
      const text = readFileSync(calls, 'latin1').slice(seen)
      seen += text.length
      return text
        .split('\n')
        .map(line => / = (\d+)$/.exec(line)?.[1])
        .reduce((sum, bytes) => sum + Number(bytes ?? 0), 0)
    }
    const run = async (path: string): Promise<{ stdout: string; ms: number; bytes: number }> => {
      moved()
      const from = performance.now()
      const { stdout } = await host.writd.run([path, '-c', 'echo ran'])
      return { stdout, ms: performance.now() - from, bytes: moved() }
    }

    it('is read, hashed and copied at its first run, and at no later one', { timeout: 120_000 }, async () => {
      const first = await run(program)
      const later = [await run(program), await run(program), await run(program)]
      expect([first, ...later].map(({ stdout }) => stdout)).toEqual(Array(4).fill('ran\n'))
      // Read once, written once.
      expect(first.bytes).toBeGreaterThanOrEqual(2 * SIZE)
      for (const { bytes } of later) expect(bytes).toBeLessThan(MB)
      expect(Math.min(...later.map(({ ms }) => ms))).toBeLessThan(first.ms / 3)
    })

    it('is filled once by several first runs at once', { timeout: 120_000 }, async () => {
      moved()
      const ids = Array.from({ length: 4 }, newId)
      const staged = await Promise.all(ids.map(id => host.writd.client.stage(id, [second])))
      const [one] = staged
      expect(one).toMatchObject([
        { path: second, size: SIZE, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) },
      ])
      expect(staged).toEqual(ids.map(() => one))
      const bytes = moved()
      expect(bytes).toBeGreaterThanOrEqual(2 * SIZE)
      expect(bytes).toBeLessThan(3 * SIZE)
      expect(host.entries()).toHaveLength(2)
      for (const id of ids) host.writd.client.abandon(id)
    })

    it('makes room for another by what was not used for longest', { timeout: 120_000 }, async () => {
      await until(() => host.entries().length === 2)
      expect((await run(program)).bytes).toBeLessThan(MB)
      // Two and a half fit: the second one goes.
      expect((await run(third)).bytes).toBeGreaterThanOrEqual(2 * SIZE)
      await until(() => host.entries().length === 2)
      expect((await run(program)).bytes).toBeLessThan(MB)
      expect((await run(second)).bytes).toBeGreaterThanOrEqual(2 * SIZE)
    })
  },
)
