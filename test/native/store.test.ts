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
import { isRoot, newId, sleep, TestHost, until } from './host.ts'
import { MB, onDisk, StoreHost, settle } from './store-host.ts'

/** ext4, XFS, Btrfs: file systems by whose change times a copy is found again. */
const remembers = [0xef53, 0x58465342, 0x9123683e].includes(statfsSync(tmpdir()).type)

/** Large subjects are copied and hashed once, and what runs is always the copy. */
describe.skipIf(!isRoot)('the store', () => {
  const host = new StoreHost()
  const { store } = host

  let [again, secret, changed, mapped, touched, many] = ['', '', '', '', '', '']
  let writer: ChildProcessByStdio<Writable, Readable, null>
  let said = ''

  beforeAll(async () => {
    again = host.file('again', 16 * MB)
    secret = host.file('secret', 2 * MB)
    changed = host.file('changed', 2 * MB)
    mapped = host.file('mapped', 2 * MB)
    touched = host.file('touched', Buffer.concat([readFileSync('/bin/sh'), randomBytes(2 * MB)]))
    many = host.file('many', 4 * MB)
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
    await host.begin()
    await until(() => said.includes('one.'))
    await settle()
  })
  afterAll(async () => {
    writer?.kill('SIGKILL')
    await host.stop()
  })

  it('takes what does not fit into memory, runs it under its own path, and lets nobody in', async () => {
    const shell = host.file('large-sh', Buffer.concat([readFileSync('/bin/sh'), Buffer.alloc(3 * MB)]))
    const script = `readlink /proc/self/exe; readlink /proc/$$/exe; cat ${store}/*/* ${store} || :; echo x >${shell} || :`
    const { stdout, stderr, end } = await host.writd.run([shell, '-c', script])
    expect([stdout, end.exitCode]).toEqual([`/usr/bin/readlink\n${shell}\n`, 0])
    expect(stderr.match(/Permission denied|Read-only file system|No such file/g)).toHaveLength(3)
    const [entry = ''] = host.entries()
    expect(statSync(store)).toMatchObject({ uid: 0, mode: 0o40700 })
    expect(statSync(entry)).toMatchObject({ uid: 0, mode: 0o100555, size: statSync(shell).size })
    expect(onDisk(entry)).toBe(onDisk(shell))
  })

  it('takes static programs, models and scripts too', async () => {
    const source = host.file(
      'static.c',
      Buffer.from('static char big[4 << 20] = {1}; int main(void) { return big[1] + 5; }'),
    )
    const program = host.path('static')
    execFileSync('gcc', ['-static', '-o', program, source])
    expect((await host.writd.run([program])).end.exitCode).toBe(5)
    const script = host.file('script', Buffer.from(`#!/bin/sh\nsha256sum "$1"\nexit\n${'#'.repeat(3 * MB)}`))
    const model = host.file('model', 3 * MB, 0o600)
    const subjects = [script, '/bin/sh', model]
    await expect(host.writd.run([script, model], { subjects })).rejects.toMatchObject({
      code: 'UNKNOWN_EXECUTION',
    })
    chmodSync(model, 0o644)
    const { stdout } = await host.writd.run([script, model], { subjects })
    expect(stdout).toBe(`${onDisk(model)}  ${model}\n`)
  })

  it.skipIf(!remembers)(
    'finds a copy again without reading the file, once the file has settled',
    async () => {
      const timed = async (): Promise<[string, number]> => {
        const from = performance.now()
        return [await host.digestOf(again), performance.now() - from]
      }
      const [first, long] = await timed()
      const [second, short] = await timed()
      expect([first, second]).toEqual([onDisk(again), first])
      expect(short).toBeLessThan(long / 3)
    },
  )

  it.skipIf(!remembers)('needs the right to read the file all the same', async () => {
    expect(await host.digestOf(secret)).toBe(onDisk(secret))
    chmodSync(secret, 0o600)
    expect(await host.digestOf(secret)).toBe('SUBJECT_OPEN (EACCES)')
  })

  it.skipIf(!remembers)('sees a change whose modification time was put back', async () => {
    const { atime, mtime } = statSync(changed)
    expect(await host.digestOf(changed)).toBe(onDisk(changed))
    writeFileSync(changed, randomBytes(2 * MB))
    utimesSync(changed, atime, mtime)
    expect(await host.digestOf(changed)).toBe(onDisk(changed))
  })

  it.skipIf(!remembers)(
    'remembers no file that somebody can still change without a trace in its times',
    async () => {
      expect(await host.digestOf(mapped)).toBe(onDisk(mapped))
      writer.stdin.write('\n')
      await until(() => said.includes('two.'))
      // Other bytes, and the same times, unless the kernel has written the page out in between.
      expect(readFileSync(mapped, 'latin1').slice(0, 4)).toBe('two.')
      expect(await host.digestOf(mapped)).toBe(onDisk(mapped))
    },
  )

  it.skipIf(!remembers)('never believes an entry that somebody has touched', async () => {
    await host.forget()
    const digest = await host.digestOf(touched)
    await until(() => host.entries().length > 0)
    const [entry = ''] = host.entries()
    const bytes = readFileSync(entry)
    const { atime, mtime } = statSync(entry)
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1
    writeFileSync(entry, bytes)
    utimesSync(entry, atime, mtime)
    expect(await host.digestOf(touched)).toBe(digest)
    await until(() => !existsSync(entry))
    expect(host.entries().map(onDisk)).toEqual([digest])
    // In use when it was touched: it stays for who has it, and is given to nobody else.
    const running = await host.writd.prepare([touched, '-c', ':'])
    const [used = ''] = host.entries()
    utimesSync(used, atime, mtime)
    expect(await host.digestOf(touched)).toBe(digest)
    expect(host.entries()).toHaveLength(2)
    host.writd.client.abandon(running.executionId)
  })

  it('lets go of what was not used for longest, and never of what is in use', async () => {
    await host.forget()
    const [first, second, third] = ['1', '2', '3'].map(name => host.file(name, 6 * MB)) as [
      string,
      string,
      string,
    ]
    const fourth = host.file('4', 15 * MB)
    const held = newId()
    await host.writd.client.stage(held, [first])
    await host.digestOf(second)
    await host.digestOf(third)
    expect(host.entries()).toHaveLength(3)
    const one = onDisk(first)
    // Room for the third of them would do, but the fourth needs more than all that is not in use.
    expect(await host.digestOf(fourth)).toBe('CAPACITY')
    await until(() => host.entries().length === 1)
    expect(host.entries().map(onDisk)).toEqual([one])
    await host.digestOf(second)
    await host.digestOf(third)
    await host.digestOf(host.file('5', 6 * MB))
    await until(() => host.entries().length === 3)
    const left = new Set(host.entries().map(onDisk))
    expect([left.has(one), left.has(onDisk(second)), left.has(onDisk(third))]).toEqual([true, false, true])
    host.writd.client.abandon(held)
    expect(await host.digestOf(fourth)).toBe(onDisk(fourth))
    expect(await host.digestOf(host.file('6', 21 * MB))).toBe('CAPACITY')
  })

  it('fills one entry for many that start at once', async () => {
    await host.forget()
    const ids = Array.from({ length: 8 }, newId)
    const staged = await Promise.all(ids.map(id => host.writd.client.stage(id, [many])))
    const size = 4 * MB
    expect(staged).toEqual(ids.map(() => [{ path: many, sha256: onDisk(many), size }]))
    expect(host.entries()).toHaveLength(1)
    for (const id of ids) host.writd.client.abandon(id)
    // Not remembered: each reads it by itself, and the same bytes still are one entry.
    const young = host.file('young', 2 * MB)
    await Promise.all([host.digestOf(young), host.digestOf(young), host.digestOf(young)])
    expect(host.entries()).toHaveLength(2)
  })

  it('gives the room of a fill that was cut off back', async () => {
    await host.forget()
    const large = host.file('cut', 18 * MB)
    const id = newId()
    const cut = host.writd.client.stage(id, [large]).catch(error => error.code)
    await sleep(10)
    host.writd.client.abandon(id)
    expect(await cut).toBe('ENDED')
    expect(host.entries()).toEqual([])
    expect(await host.digestOf(large)).toBe(onDisk(large))
  })

  it('starts empty: what an earlier run left is not looked at', async () => {
    const large = host.file('earlier', 2 * MB)
    const digest = await host.digestOf(large)
    const old = host.run()
    host.writd.client.close()
    await host.end('SIGKILL')
    writeFileSync(join(old, 'torn'), 'half a file')
    mkdirSync(join(old, 'directory/below'), { recursive: true })
    await host.begin()
    expect(await host.digestOf(large)).toBe(digest)
    await until(() => !existsSync(old))
    expect(host.entries()).toHaveLength(1)
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
      const large = host.file('full', 12 * MB)
      const id = newId()
      expect((await full.client.stage(id, [large]))[0]).toMatchObject({ sha256: onDisk(large) })
      const fits = host.file('fits', 4 * MB)
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
