import { type ChildProcess, spawn } from 'node:child_process'
import {
  chmodSync,
  closeSync,
  copyFileSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  truncateSync,
} from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { lookAtCaller } from '../../daemon/launcher/caller.ts'
import { type PeerCredentials, peerCredentials } from '../../daemon/native.ts'
import { sha256Hex } from '../../encoding/digest.ts'
import { isRoot, TestHost, until, WRITD_UID, type Writd } from './host.ts'

const USER = 65_301
const OTHER = 65_302
const MIB = 1 << 20

/** A process that connected, and executes `program` now. */
interface Calling extends PeerCredentials {
  readonly pidfd: number
  readonly process: ChildProcess
}

describe.skipIf(!isRoot)('the program of a caller of writd', () => {
  const host = new TestHost({ stage_seconds: '2' })
  const callings: Calling[] = []
  let writd: Writd
  let program = ''
  let digest = ''

  beforeAll(async () => {
    await host.start()
    writd = await host.connect()
    program = copy('program', 0)
    digest = sha256Hex(readFileSync(program))
  })
  afterAll(async () => {
    for (const calling of callings) end(calling)
    await host.stop()
  })

  /** A program of its own that sleeps. `bytes` 0: as long as it is. */
  function copy(name: string, bytes: number, mode = 0o755): string {
    const path = join(host.directory, name)
    copyFileSync('/bin/sleep', path)
    if (bytes > 0) truncateSync(path, bytes)
    chmodSync(path, mode)
    return path
  }

  /** Connects as `uid` and then executes `path`: the kernel's record of a connection stays with the process. */
  async function call(uid: number, path = program): Promise<Calling> {
    const socket = join(host.directory, `caller-${callings.length}`)
    const found = Promise.withResolvers<PeerCredentials>()
    const server = createServer(peer => {
      const handle = (peer as Socket & { _handle: { fd: number } })._handle
      found.resolve(peerCredentials(handle.fd))
      peer.on('error', () => undefined)
      peer.end('go')
    })
    await new Promise<void>(resolve => server.listen(socket, resolve))
    chmodSync(socket, 0o666)
    const script = `require('net').connect(${JSON.stringify(socket)}).on('data', () =>
      process.execve(${JSON.stringify(path)}, ['sleep', '60'], {}))`
    const child = spawn(process.execPath, ['-e', script], { uid, gid: uid, stdio: 'ignore' })
    const peer = await found.promise
    server.close()
    expect(peer).toMatchObject({ uid, pid: child.pid })
    await until(() => readlinkSync(`/proc/${child.pid}/exe`) === path)
    const calling = { ...peer, pidfd: peer.pidfd ?? -1, process: child }
    callings.push(calling)
    return calling
  }

  function end(calling: Calling): void {
    if (!callings.includes(calling)) return
    callings.splice(callings.indexOf(calling), 1)
    calling.process.kill('SIGKILL')
    closeSync(calling.pidfd)
  }

  const look = (calling: Calling, other: Partial<Calling> = {}, by = writd) => {
    const { uid, gid, pid, pidfd } = { ...calling, ...other }
    return lookAtCaller(by.client, { uid, gid, pid, pidfd })
  }
  /** Pipes and pidfds of the launcher's; others come and go with what it keeps ready for executions. */
  const descriptors = () =>
    readdirSync(`/proc/${host.pid}/fd`).filter(fd => {
      try {
        return /^pipe:|pidfd/.test(readlinkSync(`/proc/${host.pid}/fd/${fd}`))
      } catch {
        return false
      }
    }).length
  const isLooking = (pid: number) => {
    try {
      return new RegExp(`^Uid:\\t${USER}\\t`, 'm').test(readFileSync(`/proc/${pid}/status`, 'utf8'))
    } catch {
      return false
    }
  }
  /** Processes of the launcher's that look at a program of {@link USER}. */
  const lookers = () =>
    readFileSync(`/proc/${host.pid}/task/${host.pid}/children`, 'utf8')
      .split(' ')
      .map(Number)
      .filter(pid => pid > 0 && isLooking(pid))

  it('is hashed as it is then, and nothing is left of the look', async () => {
    const calling = await call(USER)
    const before = descriptors()
    for (let i = 0; i < 3; i++)
      expect(await look(calling)).toEqual({ sha256: digest, size: readFileSync(program).length })
    // The answer goes out before the launcher's own ends of it are closed.
    await until(() => descriptors() === before && lookers().length === 0)
    end(calling)
  })

  it('is known of one whose uid is of the range that executions have', async () => {
    const calling = await call(300_007)
    expect((await look(calling)).sha256).toBe(digest)
    end(calling)
  })

  it('is that which a process executes now, not that which it connected with', async () => {
    const later = copy('later', 70_000)
    const calling = await call(USER, later)
    expect((await look(calling)).sha256).toBe(sha256Hex(readFileSync(later)))
    end(calling)
  })

  it.each([
    ['root’s', 0, 0, 0, 'EPERM'],
    ['root’s, under another name', 0, USER, USER, 'EACCES'],
    ['a user’s, with root’s group', USER, USER, 0, 'EPERM'],
    ['another user’s', OTHER, USER, USER, 'EACCES'],
    ['a user’s, under the name of writd', USER, WRITD_UID, USER, 'EPERM'],
    ['a user’s, with the group of writd', USER, USER, WRITD_UID, 'EPERM'],
  ])('is not known: %s', async (_, own, uid, gid, errno) => {
    const calling = await call(own)
    const looking = look(calling, { uid, gid })
    await expect(looking).rejects.toMatchObject({ code: 'CALLER_UNKNOWN' })
    await expect(looking).rejects.toThrow(errno)
    end(calling)
  })

  it('is not known when the process is not dumpable: its user may not read what it executes', async () => {
    const calling = await call(USER, copy('hidden', 0, 0o711))
    await expect(look(calling)).rejects.toThrow('CALLER_UNKNOWN (EACCES)')
    end(calling)
  })

  it('is not known of a process that has ended', async () => {
    const calling = await call(USER)
    const ended = new Promise(resolve => calling.process.once('exit', resolve))
    calling.process.kill('SIGKILL')
    await ended
    await expect(look(calling)).rejects.toThrow('CALLER_UNKNOWN (ESRCH)')
    end(calling)
  })

  it('is not known with another process’s pidfd, or with what is none', async () => {
    const [one, two] = [await call(USER), await call(USER)]
    await expect(look(one, { pidfd: two.pidfd })).rejects.toThrow('CALLER_UNKNOWN (ESRCH)')
    await expect(look(one, { pidfd: writd.page.fd })).rejects.toThrow('CALLER_UNKNOWN (ESRCH)')
    end(one)
    end(two)
  })

  it('is not looked at when it is too large', async () => {
    const calling = await call(USER, copy('large', 513 * MIB))
    await expect(look(calling)).rejects.toMatchObject({ code: 'SUBJECT_TOO_LARGE' })
    end(calling)
  })

  /** A look that hangs: it is stopped before it has come to the end of a long file. */
  async function hang(calling: Calling, by = writd): Promise<{ looking: Promise<unknown>; pid: number }> {
    const before = lookers()
    const looking = look(calling, {}, by).catch(error => error.code)
    let pid = 0
    await until(() => {
      pid = lookers().find(found => !before.includes(found)) ?? 0
      return pid !== 0
    })
    process.kill(pid, 'SIGSTOP')
    return { looking, pid }
  }

  it('holds up nobody and leaves nothing when a look hangs', async () => {
    const slow = await call(USER, copy('slow', 400 * MIB))
    const quick = await call(OTHER)
    const before = descriptors()
    const [first, second] = [await hang(slow), await hang(slow)]

    // With the caller's rights and no others.
    const status = readFileSync(`/proc/${first.pid}/status`, 'utf8')
    expect(status).toMatch(
      `\nUid:\t${Array(4).fill(USER).join('\t')}\nGid:\t${Array(4).fill(USER).join('\t')}\n`,
    )
    expect(status).toMatch(/\nGroups:\t\s*\n/)
    expect(status).toMatch(/\nCapEff:\t0000000010000000\nCapBnd:\t0+\nCapAmb:\t0+\nNoNewPrivs:\t1\n/)

    // The loop goes on, for others of the same user too; only this user's places are taken.
    const at = performance.now()
    await expect(look(slow)).rejects.toMatchObject({ code: 'CAPACITY' })
    expect((await look(quick)).sha256).toBe(digest)
    expect((await writd.run(['/bin/true'])).end.exitCode).toBe(0)
    expect(performance.now() - at).toBeLessThan(1500)

    expect(await Promise.all([first.looking, second.looking])).toEqual(['STAGE_TIMEOUT', 'STAGE_TIMEOUT'])
    await until(() => lookers().length === 0)
    await until(() => descriptors() === before)
    const small = await call(USER)
    expect((await look(small)).sha256).toBe(digest)
    for (const calling of [slow, quick, small]) end(calling)
  }, 20_000)

  it('is no longer looked at when writd is gone, or the launcher', async () => {
    const slow = await call(USER, join(host.directory, 'slow'))
    const second = await hang(slow)
    writd.client.close()
    expect(await second.looking).toBe('DISCONNECTED')
    await until(() => lookers().length === 0)

    writd = await host.connect()
    const { pid } = await hang(slow)
    await host.end('SIGKILL')
    await until(() => !isLooking(pid))
    end(slow)
  }, 20_000)
})
