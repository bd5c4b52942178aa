import { execFileSync, spawn } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { listenSafely, type SafeSocket } from '../../../daemon/rpc/socket.ts'
import type { SocketAccess } from '../../../daemon/rpc/socket-directory.ts'
import { SocketError } from '../../../daemon/rpc/socket-error.ts'

const isRoot = process.geteuid?.() === 0
let root: string
let open: SafeSocket[]
let servers: Server[]

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'writ-socket-'))
  open = []
  servers = []
})
afterEach(() => {
  for (const socket of open) socket.close()
  for (const server of servers) server.close()
  rmSync(root, { recursive: true, force: true })
})

async function listen(path: string, access: SocketAccess = 'group'): Promise<SafeSocket> {
  const server = createServer(socket => socket.end())
  const socket = await listenSafely(server, path, access)
  open.push(socket)
  return socket
}

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'accepted',
    (error: unknown) => (error instanceof SocketError ? error.code : String(error)),
  )

const modeOf = (path: string) => (lstatSync(path).mode & 0o777).toString(8)

describe('modes', () => {
  it.each<[SocketAccess, string, string]>([
    ['owner', '700', '600'],
    ['group', '750', '660'],
    ['all', '755', '666'],
  ])('for %s: directory %s, socket %s', async (access, directory, socket) => {
    const path = join(root, 'run', 'writd.sock')
    await listen(path, access)
    expect(modeOf(join(root, 'run'))).toBe(directory)
    expect(modeOf(path)).toBe(socket)
    expect(modeOf(`${path}.lock`)).toBe('600')
  })

  it('are never wider, not even between bind and chmod, under any umask', async () => {
    const path = join(root, 'run', 'writd.sock')
    const server = createServer()
    const listenAsEver = server.listen.bind(server) as (...args: unknown[]) => Server
    const modes: string[] = []
    // Looked at as soon as bind(2) has made it, before anything else can run.
    server.listen = (...args: unknown[]) => {
      const listening = listenAsEver(...args)
      modes.push(modeOf(path))
      return listening
    }
    const before = process.umask(0)
    try {
      open.push(await listenSafely(server, path, 'group'))
    } finally {
      process.umask(before)
    }
    modes.push(modeOf(path))
    expect(modes).toEqual(['600', '660'])
    expect(modeOf(join(root, 'run'))).toBe('750')
    expect(modeOf(`${path}.lock`)).toBe('600')
  })

  it('do not depend on the umask of the process, which is as before afterwards', async () => {
    const before = process.umask(0o077)
    try {
      await listen(join(root, 'run', 'writd.sock'), 'owner')
      expect(process.umask()).toBe(0o077)
    } finally {
      process.umask(before)
    }
  })
})

describe('the directory', () => {
  it.each<[string, (directory: string) => void]>([
    ['can be written by its group', directory => chmodSync(directory, 0o770)],
    ['can be read by others', directory => chmodSync(directory, 0o755)],
    ['can be entered by others', directory => chmodSync(directory, 0o751)],
  ])('is refused when it %s', async (_name, spoil) => {
    const directory = join(root, 'run')
    mkdirSync(directory, { mode: 0o750 })
    spoil(directory)
    expect(await codeOf(listen(join(directory, 'writd.sock')))).toBe('DIRECTORY_UNSAFE')
    expect(existsSync(join(directory, 'writd.sock'))).toBe(false)
  })

  it.skipIf(!isRoot)('is refused when it belongs to another user (needs root)', async () => {
    const directory = join(root, 'run')
    mkdirSync(directory, { mode: 0o700 })
    chownSync(directory, 12345, 12345)
    expect(await codeOf(listen(join(directory, 'writd.sock')))).toBe('DIRECTORY_UNSAFE')
  })

  it.skipIf(!isRoot)('is refused below a directory of another user (needs root)', async () => {
    const foreign = join(root, 'foreign')
    mkdirSync(foreign, { mode: 0o755 })
    mkdirSync(join(foreign, 'run'), { mode: 0o750 })
    chownSync(foreign, 12345, 12345)
    expect(await codeOf(listen(join(foreign, 'run', 'writd.sock')))).toBe('DIRECTORY_UNSAFE')
  })

  it('is refused below a directory that others can write, unless it is sticky', async () => {
    const shared = join(root, 'shared')
    mkdirSync(shared)
    mkdirSync(join(shared, 'run'), { mode: 0o750 })
    chmodSync(shared, 0o777)
    expect(await codeOf(listen(join(shared, 'run', 'writd.sock')))).toBe('DIRECTORY_UNSAFE')
    chmodSync(shared, 0o1777)
    expect(await codeOf(listen(join(shared, 'run', 'writd.sock')))).toBe('accepted')
  })

  it('is judged by where a link leads', async () => {
    mkdirSync(join(root, 'open'))
    chmodSync(join(root, 'open'), 0o777)
    symlinkSync(join(root, 'open'), join(root, 'run'))
    expect(await codeOf(listen(join(root, 'run', 'writd.sock')))).toBe('DIRECTORY_UNSAFE')
  })

  it('is refused when it is a file, or its parent is missing', async () => {
    writeFileSync(join(root, 'file'), '', { mode: 0o600 })
    expect(await codeOf(listen(join(root, 'file', 'writd.sock')))).toBe('DIRECTORY_UNSAFE')
    expect(await codeOf(listen(join(root, 'a', 'b', 'writd.sock')))).toBe('DIRECTORY_UNSAFE')
  })

  it('is refused for a path that is relative or too long', async () => {
    expect(await codeOf(listen('writd.sock'))).toBe('PATH_INVALID')
    expect(await codeOf(listen(join(root, 'run', 'x'.repeat(108))))).toBe('PATH_INVALID')
  })
})

describe('a socket that is there already', () => {
  it('is replaced when nobody answers', async () => {
    const path = join(root, 'run', 'writd.sock')
    mkdirSync(join(root, 'run'), { mode: 0o750 })
    // A process that dies without cleaning up leaves its socket behind.
    const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
    expect(() => execFileSync(process.execPath, ['-e', script])).toThrow()
    expect(lstatSync(path).isSocket()).toBe(true)
    await listen(path)
    expect(lstatSync(path).isSocket()).toBe(true)
    expect(await reachable(path)).toBe(true)
  })

  it('is left alone when a daemon answers', async () => {
    const path = join(root, 'run', 'writd.sock')
    mkdirSync(join(root, 'run'), { mode: 0o750 })
    const other = createServer(socket => socket.end())
    servers.push(other)
    await new Promise<void>(resolve => other.listen(path, resolve))
    expect(await codeOf(listen(path))).toBe('IN_USE')
    expect(await reachable(path)).toBe(true)
  })

  it('is left alone when it is something else', async () => {
    mkdirSync(join(root, 'run'), { mode: 0o750 })
    const path = join(root, 'run', 'writd.sock')
    writeFileSync(path, 'precious')
    expect(await codeOf(listen(path))).toBe('NOT_A_SOCKET')
    rmSync(path)
    symlinkSync('/etc/passwd', path)
    expect(await codeOf(listen(path))).toBe('NOT_A_SOCKET')
  })
})

describe('two daemons', () => {
  it('in one process: the second is refused, the first goes on', async () => {
    const path = join(root, 'run', 'writd.sock')
    await listen(path)
    expect(await codeOf(listen(path))).toBe('IN_USE')
    expect(await reachable(path)).toBe(true)
  })

  it('at the same moment: exactly one listens, over a stale socket', async () => {
    const path = join(root, 'run', 'writd.sock')
    mkdirSync(join(root, 'run'), { mode: 0o750 })
    const module = new URL('../../../daemon/rpc/socket.ts', import.meta.url).href
    const script = `
      import { createServer } from 'node:net'
      import { listenSafely } from ${JSON.stringify(module)}
      listenSafely(createServer(s => s.end()), ${JSON.stringify(path)}, 'group').then(
        () => { console.log('listening'); setTimeout(() => process.kill(process.pid, 'SIGKILL'), 1500) },
        error => { console.log(error.code); process.exit(0) },
      )`
    const outcome = () =>
      new Promise<string>(resolve => {
        const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', script], {
          stdio: ['ignore', 'pipe', 'ignore'],
        })
        let text = ''
        child.stdout.on('data', data => {
          text += data
        })
        child.once('exit', () => resolve(text.trim()))
      })
    for (let round = 0; round < 2; round++) {
      const outcomes = await Promise.all([outcome(), outcome(), outcome()])
      expect(outcomes.filter(o => o === 'listening')).toHaveLength(1)
      expect(outcomes.filter(o => o === 'IN_USE')).toHaveLength(2)
      expect(lstatSync(path).isSocket()).toBe(true)
    }
  })

  it('one after the other: closing removes the socket and the lock is free', async () => {
    const path = join(root, 'run', 'writd.sock')
    const first = await listen(path)
    first.close()
    open.pop()
    await sleep(20)
    expect(existsSync(path)).toBe(false)
    await listen(path)
    expect(await reachable(path)).toBe(true)
  })
})

function reachable(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const probe = connect(path)
    probe.once('connect', () => {
      probe.destroy()
      resolve(true)
    })
    probe.once('error', () => resolve(false))
  })
}
