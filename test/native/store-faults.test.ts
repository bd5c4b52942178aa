import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { isRoot, newId, sleep, until } from './host.ts'
import { MB, onDisk, StoreHost } from './store-host.ts'

const HAS_STRACE = spawnSync('strace', ['-V']).status === 0
const SHELL = readFileSync('/bin/sh')

/** Faults are injected into a launcher and all that it starts: -D lets it stay our child, the tracer is its grandchild. */
const injecting = (call: string, fault: string): string[] => [
  ...['strace', '-D', '-f', '-qq', '-o', '/dev/null', '-e', `trace=${call}`, '-e', `inject=${call}:${fault}`],
]
/** What the launcher has open of subjects: in the store, and in memory. It also keeps namespaces ready, as many as it likes. */
function held({ pid, store }: StoreHost): number {
  const links = readdirSync(`/proc/${pid}/fd`).map(fd => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`)
    } catch {
      return '' // closed meanwhile
    }
  })
  return links.filter(link => link.startsWith(store) || link.includes('memfd:writ-subject')).length
}

/** A fill that fails leaves nothing in the store, and takes nothing from it: the next one has all of its room. */
describe.skipIf(!isRoot || !HAS_STRACE)('a fill of the store that fails (needs strace)', () => {
  let host: StoreHost
  afterEach(() => host?.stop())

  /** Stages a file under the fault, twice. What is staged in memory instead does not fit there, so the fault shows. */
  const staged = async (call: string, fault: string): Promise<string[]> => {
    host = new StoreHost({ store_bytes: String(6 * MB) }, injecting(call, fault))
    await host.begin()
    const before = held(host)
    const large = host.file('large', 4 * MB)
    const results: string[] = []
    for (let i = 0; i < 2; i++) {
      results.push(await host.digestOf(large))
      await until(() => held(host) === before)
      expect(host.entries()).toEqual([])
    }
    return results
  }

  // Each process is counted by itself, and only one that copies writes sixteen times: chunks of 256 KiB.
  it.each([
    ['the disk is full', 'write', 'error=ENOSPC:when=12', 'CAPACITY (ENOSPC)'],
    ['the quota is used up', 'write', 'error=EDQUOT:when=12', 'CAPACITY (EDQUOT)'],
    ['the disk cannot be written', 'write', 'error=EIO:when=12', 'CAPACITY (EIO)'],
    ['the file cannot be read', 'read', 'error=EIO:when=12', 'CAPACITY (EIO)'],
    ['the disk fails when it is to keep it', 'fsync', 'error=EIO', 'CAPACITY (EIO)'],
    ['the disk is full when it is to keep it', 'fsync', 'error=ENOSPC', 'CAPACITY (ENOSPC)'],
    // It says that it has written what it has not: the copy is shorter than what was hashed.
    ['the disk keeps less than it says', 'write', 'retval=1000:when=12', 'INTERNAL'],
    ['it cannot be given a name', 'linkat', 'error=ENOSPC', 'INTERNAL'],
  ])('because %s', async (_, call, fault, code) => {
    // Twice four of six: the second would say no more than CAPACITY if the first had kept its room.
    expect(await staged(call, fault)).toEqual([code, code])
  })

  it('because who fills it is killed', async () => {
    host = new StoreHost({ store_bytes: String(6 * MB) }, injecting('write', 'signal=SIGKILL:when=12'))
    await host.begin()
    const before = held(host)
    const large = host.file('large', 4 * MB)
    await expect(host.digestOf(large)).rejects.toMatchObject({ code: 'INTERNAL' })
    await until(() => held(host) === before)
    expect(host.entries()).toEqual([])
    // The launcher lives, and has lost no room: the next one, hit by nothing, has it.
    expect(await host.digestOf(host.file('other', 2.5 * MB))).toBe(onDisk(host.path('other')))
    expect(host.entries()).toHaveLength(1)
  })

  it.each([
    ['write,read', 'error=EINTR:when=7'],
    ['fsync', 'error=EINTR:when=1'],
  ])('is tried once more when a signal comes in between (%s)', async (call, fault) => {
    host = new StoreHost({}, injecting(call, fault))
    await host.begin()
    const large = host.file('large', 4 * MB)
    expect(await host.digestOf(large)).toBe(onDisk(large))
    expect(host.entries().map(onDisk)).toEqual([onDisk(large)])
  })

  it.each([
    // The launcher itself makes one such call, for its socket.
    ['fchownat', 'error=EIO:when=2'],
    ['fchownat', 'signal=SIGKILL:when=2'],
    ['syncfs', 'error=EIO'],
    ['syncfs', 'signal=SIGKILL'],
    ['symlinkat', 'error=ENOSPC'],
  ])('because a directory meets %s with %s', async (call, fault) => {
    host = new StoreHost({}, injecting(call, fault))
    const tree = host.path('tree')
    mkdirSync(join(tree, 'below'), { recursive: true })
    for (const name of ['1', '2', '3']) writeFileSync(join(tree, 'below', name), 'x'.repeat(3000))
    symlinkSync('1', join(tree, 'below/link'))
    await host.begin()
    const outcome = await host.writd.client.stage(newId(), ['/bin/true', { path: tree, kind: 'tree' }]).then(
      ([, subject]) => (subject !== undefined && 'error' in subject ? subject.error : 'staged'),
      (error: { code?: string }) => error.code,
    )
    expect(outcome).toMatch(/^(?:SUBJECT_READ \((?:EIO|ENOSPC)\)|SUBJECT_READ|INTERNAL)$/)
    await until(() => host.entries().length === 0)
  })
})

/** Its own file system, in a mount namespace that only the launcher has: nothing of it can stay behind on the host. */
describe.skipIf(!isRoot || !HAS_STRACE)('a store on a disk that fills up (needs strace)', () => {
  const mounted = 'mount -t tmpfs -o size=16m tmpfs "$0" && exec "$@"'
  let host: StoreHost
  afterAll(() => host?.stop())

  it('while a copy is made says so, keeps nothing of it, and works again when there is room', async () => {
    host = new StoreHost()
    const disk = host.path('disk')
    mkdirSync(disk)
    host.config.store = join(disk, 'store')
    // So slow that the disk can be filled meanwhile.
    const slow = injecting('write', 'delay_enter=20000:when=4+')
    await host.begin(['unshare', '-m', 'sh', '-c', mounted, disk, ...slow])
    // The launcher is in there, and its file system can be reached through it.
    const inside = `/proc/${host.pid}/root${disk}`
    const kept = () => {
      const [run = ''] = readdirSync(join(inside, 'store'))
      return readdirSync(join(inside, 'store', run))
    }
    const large = host.file('large', 6 * MB)
    const ballast = join(inside, 'ballast')
    const full = host.digestOf(large)
    await sleep(100)
    expect(() => writeFileSync(ballast, Buffer.alloc(16 * MB))).toThrow('ENOSPC')
    expect(await full).toBe('CAPACITY (ENOSPC)')
    await until(() => kept().length === 0)
    // Now it is not even begun: a sixteenth of the disk stays free.
    expect(await host.digestOf(large)).toBe('CAPACITY')
    rmSync(ballast)
    expect(await host.digestOf(large)).toBe(onDisk(large))
    expect(kept()).toHaveLength(1)
  })
})

/** What is not as the launcher left it is thrown away and made anew, or refused: never run, never given to anybody. */
describe.skipIf(!isRoot)('a damaged copy in the store', () => {
  const host = new StoreHost()
  let program = ''
  let model = ''
  beforeAll(async () => {
    program = host.file('program', Buffer.concat([SHELL, Buffer.alloc(2 * MB)]))
    model = host.file('model', 2 * MB)
    await host.begin()
  })
  afterAll(() => host.stop())

  /** A change that leaves size and modification time as they were. */
  const unseen = (path: string, change: () => void): void => {
    const { atime, mtime } = statSync(path)
    change()
    utimesSync(path, atime, mtime)
  }
  const DAMAGES: [what: string, damage: (path: string) => void][] = [
    [
      'other bytes',
      path =>
        unseen(path, () => {
          const bytes = readFileSync(path)
          bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1
          writeFileSync(path, bytes)
        }),
    ],
    ['cut', path => unseen(path, () => truncateSync(path, MB))],
    ['grown', path => unseen(path, () => truncateSync(path, 3 * MB))],
    ['another mode', path => chmodSync(path, 0o777)],
    ['another owner', path => chownSync(path, 1000, 1000)],
    [
      'a link to the same bytes',
      path => {
        renameSync(path, `${host.directory}/moved`)
        symlinkSync(`${host.directory}/moved`, path)
      },
    ],
    [
      'another file with the same bytes',
      path => {
        copyFileSync(path, `${host.directory}/copy`)
        unseen(path, () => renameSync(`${host.directory}/copy`, path))
      },
    ],
    [
      'a directory',
      path => {
        rmSync(path, { recursive: true })
        mkdirSync(path)
      },
    ],
    [
      'a device',
      path => {
        rmSync(path, { recursive: true })
        spawnSync('mknod', [path, 'c', '1', '3'])
      },
    ],
    ['nothing', path => rmSync(path, { recursive: true })],
  ]

  const damageAll = (damage: (path: string) => void): void => {
    for (const path of host.entries()) damage(path)
  }

  it.each(DAMAGES)('(%s) is made anew for the next run', async (_, damage) => {
    const subjects = [program, model]
    const before = await host.writd.run([program, '-c', `sha256sum <${model}`], { subjects })
    damageAll(damage)
    const after = await host.writd.run([program, '-c', `sha256sum <${model}`], { subjects })
    expect(after.stdout).toBe(`${onDisk(model)}  -\n`)
    expect(after).toMatchObject({ stdout: before.stdout, end: { exitCode: 0 } })
    expect(host.entries().map(onDisk).toSorted()).toEqual(subjects.map(onDisk).toSorted())
  })

  it.each(DAMAGES)('(%s) after it was found is refused', async (_, damage) => {
    const id = newId()
    const staged = await host.writd.client.stage(id, [program])
    expect(staged).toMatchObject([{ sha256: onDisk(program) }])
    damageAll(damage)
    const digest = onDisk(program)
    const order = { argv: [program], digests: [digest], cwd: '/', env: [], writable: [], limits: {} }
    const refused = host.writd.client.prepare({
      ...order,
      executionId: id,
      parentExecution: null,
      epoch: 1n,
      expiryBootNs: 1n << 62n,
      maxEvidenceAgeNs: 1n << 40n,
      network: 'none',
      stdio: { stdin: 'null', stdout: 'null', stderr: 'null' },
    })
    await expect(refused).rejects.toMatchObject({ code: 'SUBJECT_HIDDEN' })
    // Until the next run it lies there, in nobody's way.
    expect((await host.writd.run([program, '-c', 'echo good'])).stdout).toBe('good\n')
  })
})
