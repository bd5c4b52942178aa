import { type ChildProcessByStdio, execFileSync, spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statfsSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sha256Hex } from '../../encoding/digest.ts'
import { isRoot, newId, sleep, TestHost, until, type Writd } from './host.ts'

const MB = 1 << 20
/** ext4, XFS, Btrfs: file systems by whose change times a copy is found again. */
const remembers = [0xef53, 0x58465342, 0x9123683e].includes(statfsSync(tmpdir()).type)

/** Large subjects are copied and hashed once, and what runs is always the copy. */
describe.skipIf(!isRoot)('the store', () => {
  const host = new TestHost({ max_staged_bytes: String(2 * MB), store_bytes: String(20 * MB) })
  const store = join(host.directory, 'store')
  host.config.store = store
  const inDirectory = (name: string): string => join(host.directory, name)
  let writd: Writd

  const file = (name: string, bytes: Uint8Array | number, mode = 0o755): string => {
    const path = inDirectory(name)
    writeFileSync(path, typeof bytes === 'number' ? randomBytes(bytes) : bytes)
    chmodSync(path, mode)
    return path
  }
  /** Long enough for the time of the last change to tell of any later one. */
  const settle = (): Promise<void> => sleep(3100)
  const run = (): string => join(store, readdirSync(store)[0] ?? '')
  const entries = (): string[] => readdirSync(run()).map(name => join(run(), name))
  const digestOf = async (path: string): Promise<string> => {
    const id = newId()
    const [subject] = await writd.client.stage(id, [path])
    writd.client.abandon(id)
    return subject !== undefined && 'sha256' in subject ? subject.sha256 : (subject?.error ?? '')
  }
  const onDisk = (path: string): string => sha256Hex(readFileSync(path))
  const forget = async (): Promise<void> => {
    writd?.client.close()
    await host.end('SIGTERM')
    await host.start()
    writd = await host.connect()
  }

  let [again, secret, changed, mapped, touched, many] = ['', '', '', '', '', '']
  let writer: ChildProcessByStdio<Writable, Readable, null>
  let said = ''

  beforeAll(async () => {
    again = file('again', 16 * MB)
    secret = file('secret', 2 * MB)
    changed = file('changed', 2 * MB)
    mapped = file('mapped', 2 * MB)
    touched = file('touched', Buffer.concat([readFileSync('/bin/sh'), randomBytes(2 * MB)]))
    many = file('many', 4 * MB)
    // The first store makes the page writable and moves the change time; the second one does not.
    const script = `import mmap,sys
with open(${JSON.stringify(mapped)}, 'r+b') as f:
    m = mmap.mmap(f.fileno(), 0)
for word in b'one.', b'two.':
    m[0:4] = word
    print(word.decode(), flush=True)
    sys.stdin.readline()`
    writer = spawn('python3', ['-c', script], { stdio: ['pipe', 'pipe', 'inherit'] })
    writer.stdout.on('data', piece => {
      said += piece
    })
    await host.start()
    writd = await host.connect()
    await until(() => said.includes('one.'))
    await settle()
  })
  afterAll(async () => {
    writer?.kill('SIGKILL')
    writd?.client.close()
    await host.stop()
  })

  it('takes what does not fit into memory, runs it under its own path, and lets nobody in', async () => {
    const shell = file('large-sh', Buffer.concat([readFileSync('/bin/sh'), Buffer.alloc(3 * MB)]))
    const script = `readlink /proc/self/exe; readlink /proc/$$/exe; cat ${store}/*/* ${store} || :; echo x >${shell} || :`
    const { stdout, stderr, end } = await writd.run([shell, '-c', script])
    expect([stdout, end.exitCode]).toEqual([`/usr/bin/readlink\n${shell}\n`, 0])
    expect(stderr.match(/Permission denied|Read-only file system|No such file/g)).toHaveLength(3)
    const [entry = ''] = entries()
    expect(statSync(store)).toMatchObject({ uid: 0, mode: 0o40700 })
    expect(statSync(entry)).toMatchObject({ uid: 0, mode: 0o100555, size: statSync(shell).size })
    expect(onDisk(entry)).toBe(onDisk(shell))
  })

  it('takes static programs, models and scripts too', async () => {
    const source = file(
      'static.c',
      Buffer.from('static char big[4 << 20] = {1}; int main(void) { return big[1] + 5; }'),
    )
    const program = inDirectory('static')
    execFileSync('gcc', ['-static', '-o', program, source])
    expect((await writd.run([program])).end.exitCode).toBe(5)
    const script = file('script', Buffer.from(`#!/bin/sh\nsha256sum "$1"\nexit\n${'#'.repeat(3 * MB)}`))
    const model = file('model', 3 * MB, 0o600)
    const subjects = [script, '/bin/sh', model]
    await expect(writd.run([script, model], { subjects })).rejects.toMatchObject({
      code: 'UNKNOWN_EXECUTION',
    })
    chmodSync(model, 0o644)
    const { stdout } = await writd.run([script, model], { subjects })
    expect(stdout).toBe(`${onDisk(model)}  ${model}\n`)
  })

  it.skipIf(!remembers)(
    'finds a copy again without reading the file, once the file has settled',
    async () => {
      const timed = async (): Promise<[string, number]> => {
        const from = performance.now()
        return [await digestOf(again), performance.now() - from]
      }
      const [first, long] = await timed()
      const [second, short] = await timed()
      expect([first, second]).toEqual([onDisk(again), first])
      expect(short).toBeLessThan(long / 3)
    },
  )

  it.skipIf(!remembers)('needs the right to read the file all the same', async () => {
    expect(await digestOf(secret)).toBe(onDisk(secret))
    chmodSync(secret, 0o600)
    expect(await digestOf(secret)).toBe('SUBJECT_OPEN (EACCES)')
  })

  it.skipIf(!remembers)('sees a change whose modification time was put back', async () => {
    const { atime, mtime } = statSync(changed)
    expect(await digestOf(changed)).toBe(onDisk(changed))
    writeFileSync(changed, randomBytes(2 * MB))
    utimesSync(changed, atime, mtime)
    expect(await digestOf(changed)).toBe(onDisk(changed))
  })

  it.skipIf(!remembers)(
    'remembers no file that somebody can still change without a trace in its times',
    async () => {
      expect(await digestOf(mapped)).toBe(onDisk(mapped))
      writer.stdin.write('\n')
      await until(() => said.includes('two.'))
      // Other bytes, and the same times, unless the kernel has written the page out in between.
      expect(readFileSync(mapped, 'latin1').slice(0, 4)).toBe('two.')
      expect(await digestOf(mapped)).toBe(onDisk(mapped))
    },
  )

  it.skipIf(!remembers)('never believes an entry that somebody has touched', async () => {
    await forget()
    const digest = await digestOf(touched)
    const [entry = ''] = entries()
    const bytes = readFileSync(entry)
    const { atime, mtime } = statSync(entry)
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1
    writeFileSync(entry, bytes)
    utimesSync(entry, atime, mtime)
    expect(await digestOf(touched)).toBe(digest)
    await until(() => !existsSync(entry))
    expect(entries().map(onDisk)).toEqual([digest])
    // In use when it was touched: it stays for who has it, and is given to nobody else.
    const running = await writd.prepare([touched, '-c', ':'])
    const [used = ''] = entries()
    utimesSync(used, atime, mtime)
    expect(await digestOf(touched)).toBe(digest)
    expect(entries()).toHaveLength(2)
    writd.client.abandon(running.executionId)
  })

  it('lets go of what was not used for longest, and never of what is in use', async () => {
    await forget()
    const [first, second, third] = ['1', '2', '3'].map(name => file(name, 6 * MB)) as [string, string, string]
    const fourth = file('4', 15 * MB)
    const held = newId()
    await writd.client.stage(held, [first])
    await digestOf(second)
    await digestOf(third)
    expect(entries()).toHaveLength(3)
    const one = onDisk(first)
    // Room for the third of them would do, but the fourth needs more than all that is not in use.
    expect(await digestOf(fourth)).toBe('CAPACITY')
    await until(() => entries().length === 1)
    expect(entries().map(onDisk)).toEqual([one])
    await digestOf(second)
    await digestOf(third)
    await digestOf(file('5', 6 * MB))
    await until(() => entries().length === 3)
    const left = new Set(entries().map(onDisk))
    expect([left.has(one), left.has(onDisk(second)), left.has(onDisk(third))]).toEqual([true, false, true])
    writd.client.abandon(held)
    expect(await digestOf(fourth)).toBe(onDisk(fourth))
    expect(await digestOf(file('6', 21 * MB))).toBe('CAPACITY')
  })

  it('fills one entry for many that start at once', async () => {
    await forget()
    const ids = Array.from({ length: 8 }, newId)
    const staged = await Promise.all(ids.map(id => writd.client.stage(id, [many])))
    const size = 4 * MB
    expect(staged).toEqual(ids.map(() => [{ path: many, sha256: onDisk(many), size }]))
    expect(entries()).toHaveLength(1)
    for (const id of ids) writd.client.abandon(id)
    // Not remembered: each reads it by itself, and the same bytes still are one entry.
    const young = file('young', 2 * MB)
    await Promise.all([digestOf(young), digestOf(young), digestOf(young)])
    expect(entries()).toHaveLength(2)
  })

  it('gives the room of a fill that was cut off back', async () => {
    await forget()
    const large = file('cut', 18 * MB)
    const id = newId()
    const cut = writd.client.stage(id, [large]).catch(error => error.code)
    await sleep(10)
    writd.client.abandon(id)
    expect(await cut).toBe('ENDED')
    expect(entries()).toEqual([])
    expect(await digestOf(large)).toBe(onDisk(large))
  })

  it('starts empty: what an earlier run left is not looked at', async () => {
    const large = file('earlier', 2 * MB)
    const digest = await digestOf(large)
    const old = run()
    writd.client.close()
    await host.end('SIGKILL')
    writeFileSync(join(old, 'torn'), 'half a file')
    mkdirSync(join(old, 'directory/below'), { recursive: true })
    await host.start()
    writd = await host.connect()
    expect(await digestOf(large)).toBe(digest)
    await until(() => !existsSync(old))
    expect(entries()).toHaveLength(1)
  })

  it('is one launcher’s, and only root’s', async () => {
    const other = new TestHost({ store })
    await expect(other.start()).rejects.toThrow('another launcher works there')
    await other.stop()
    const open = new TestHost()
    open.config.store = join(open.directory, 'store')
    mkdirSync(open.config.store, { mode: 0o755 })
    await open.start()
    expect(open.log).toMatch(/store \S+ is not used: Operation not permitted/)
    await open.stop()
  })

  it('steps aside when its file system is full, or fails', async () => {
    const small = new TestHost()
    const disk = join(small.directory, 'disk')
    mkdirSync(disk)
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', disk])
    try {
      small.config.store = join(disk, 'store')
      await small.start()
      const full = await small.connect()
      const large = file('full', 12 * MB)
      const id = newId()
      expect((await full.client.stage(id, [large]))[0]).toMatchObject({ sha256: onDisk(large) })
      const fits = file('fits', 4 * MB)
      expect((await full.client.stage(newId(), [fits]))[0]).toMatchObject({ sha256: onDisk(fits) })
      const [name = ''] = readdirSync(small.config.store)
      expect(readdirSync(join(small.config.store, name))).toHaveLength(1)
      full.client.close()
    } finally {
      await small.end('SIGTERM')
      spawnSync('umount', ['-l', disk])
      await small.stop()
    }
  })
})
