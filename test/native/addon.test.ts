import { spawn, spawnSync } from 'node:child_process'
import { closeSync, fstatSync, mkdtempSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import {
  bootTimeNs,
  cgroupOf,
  LeasePage,
  type PeerCredentials,
  peerCredentials,
  processAlive,
  SeqpacketChannel,
  sdNotify,
  sealedMemfd,
} from '../../daemon/native.ts'
import { addonPath } from '../../encoding/shipped.ts'
import { until } from './host.ts'

const directory = mkdtempSync(join(tmpdir(), 'writ-addon-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const fdOf = (socket: Socket): number => (socket as unknown as { _handle: { fd: number } })._handle.fd

describe('the addon', () => {
  it('reads the boot clock', () => {
    const uptime = () => BigInt(Math.round(Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]) * 1e9))
    const before = uptime() - 10_000_000n // /proc/uptime has two decimals
    const now = bootTimeNs()
    expect(now).toBeGreaterThanOrEqual(before)
    expect(now).toBeLessThanOrEqual(uptime() + 10_000_000n)
  })

  it('gives the kernel back what is free between what is in use', () => {
    // Below V8's heap, in the C library's: one in eight stays, so that nothing is free at an end.
    const script = `
      const resident = () => process.memoryUsage.rss()
      const load = { exports: {} }
      process.dlopen(load, ${JSON.stringify(addonPath())})
      const some = []
      for (let i = 0; i < 16384; i++) some.push(new Uint8Array(4000).fill(1).buffer)
      const kept = some.filter((_, i) => i % 8 === 0)
      some.length = 0
      gc()
      const before = resident()
      load.exports.releaseFreeMemory()
      console.log(JSON.stringify({ freed: before - resident(), kept: kept.every(b => new Uint8Array(b).every(x => x === 1)) }))`
    const { stdout } = spawnSync(process.execPath, ['--expose-gc', '-e', script], { encoding: 'utf8' })
    const { freed, kept } = JSON.parse(stdout)
    expect(kept).toBe(true)
    expect(freed).toBeGreaterThan(10 << 20)
  })

  it('names the peer of a connection, with its cgroup, and knows when it has ended', async () => {
    const path = join(directory, 'peer.sock')
    const peer = await new Promise<PeerCredentials>((resolve, reject) => {
      const server = createServer(socket => {
        try {
          resolve(peerCredentials(fdOf(socket)))
        } catch (error) {
          reject(error)
        }
        socket.destroy()
        server.close()
      })
      server.listen(path, () => {
        const script = `require('net').connect(${JSON.stringify(path)}).on('error',()=>{}); setTimeout(() => {}, 60000)`
        spawned = spawn(process.execPath, ['-e', script], { stdio: 'ignore' })
      })
    })
    const pidfd = peer.pidfd ?? -1
    expect(peer).toMatchObject({ pid: spawned?.pid, uid: process.getuid?.(), gid: process.getgid?.() })
    const cgroup = /^0::(.*)$/m.exec(readFileSync(`/proc/${peer.pid}/cgroup`, 'utf8'))?.[1]
    expect([peer.cgroup, cgroupOf(peer.pid, pidfd), processAlive(pidfd)]).toEqual([cgroup, cgroup, true])
    const exit = new Promise(resolve => spawned?.once('exit', resolve))
    spawned?.kill('SIGKILL')
    await exit
    expect([processAlive(pidfd), cgroupOf(peer.pid, pidfd)]).toEqual([false, null])
    closeSync(pidfd)
  })
  let spawned: ReturnType<typeof spawn> | undefined

  it('refuses what is no Unix socket with a peer', async () => {
    expect(() => peerCredentials(0x7fff)).toThrow(expect.objectContaining({ code: 'EBADF' }))
    const server = createServer().listen(0, '127.0.0.1')
    await new Promise(resolve => server.once('listening', resolve))
    const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
    await new Promise(resolve => client.once('connect', resolve))
    expect(() => peerCredentials(fdOf(client))).toThrow()
    client.destroy()
    server.close()
  })

  it('leaks no descriptor when it names many peers', async () => {
    const path = join(directory, 'many.sock')
    const seen: number[] = []
    const server = createServer(socket => {
      const { pidfd } = peerCredentials(fdOf(socket))
      if (pidfd !== null) {
        seen.push(pidfd)
        closeSync(pidfd)
      }
      socket.destroy()
    }).listen(path)
    for (let i = 0; i < 100; i++) {
      await new Promise(resolve => connect(path).on('close', resolve).on('error', resolve).resume())
    }
    await until(() => seen.length === 100)
    expect(Math.max(...seen) - Math.min(...seen)).toBeLessThan(16)
    server.close()
  })

  it('seals memory for good, and the lease page for everybody else', () => {
    const fd = sealedMemfd(Buffer.from('sealed'))
    expect(readFileSync(`/proc/self/fd/${fd}`, 'utf8')).toBe('sealed')
    expect(() => writeSync(fd, 'x', 0)).toThrow(expect.objectContaining({ code: 'EPERM' }))
    closeSync(fd)
    const page = LeasePage.create()
    expect(fstatSync(page.fd).size).toBe(4096)
    expect(() => writeSync(page.fd, 'x', 0)).toThrow(expect.objectContaining({ code: 'EPERM' }))
    page.renew(1n, 5n)
    expect(page.read()).toEqual({ epoch: 1n, instantNs: 5n })
  })

  it('tells nobody when no service manager asked', () => {
    delete process.env.NOTIFY_SOCKET
    expect(sdNotify('READY=1')).toBe(false)
  })

  it('says why a connection failed, and why arguments are wrong', () => {
    const handlers = { message: () => undefined, end: () => undefined }
    const absent = () => new SeqpacketChannel(join(directory, 'absent'), handlers)
    expect(absent).toThrow(expect.objectContaining({ code: 'ENOENT' }))
    expect(() => new SeqpacketChannel(`/${'x'.repeat(150)}`, handlers)).toThrow(
      expect.objectContaining({ code: 'ENAMETOOLONG' }),
    )
    expect(() => LeasePage.create(0n)).toThrow(expect.objectContaining({ code: 'ERR_WRIT_ARGUMENT' }))
    expect(() => LeasePage.create(1n << 64n)).toThrow(expect.objectContaining({ code: 'ERR_WRIT_ARGUMENT' }))
  })
})
