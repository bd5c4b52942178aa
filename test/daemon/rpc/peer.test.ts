import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import type { PeerCredentials } from '../../../daemon/native.ts'
import { peerCredentials } from '../../../daemon/native.ts'
import { PeerRegistry } from '../../../daemon/rpc/peer.ts'
import { api, WritClient } from '../../../proto/client.ts'
import { type Rig, startRig } from './rig.ts'

const CALLER = join(import.meta.dirname, 'caller-process.ts')
const isRoot = process.geteuid?.() === 0

/** Runs the calling process as a uid and gives its exit status. */
function callAs(uid: number, socket: string, connections: number, calls: number): Promise<number | null> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [CALLER, socket, `${connections}`, `${calls}`], {
      uid,
      gid: uid,
      cwd: '/',
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    child.once('error', reject).once('exit', resolve)
  })
}

let rig: Rig | undefined
afterEach(async () => {
  await rig?.stop()
  rig = undefined
})

describe('callers', () => {
  it.skipIf(!isRoot)('of several uids at once are each known by connection (needs root)', async () => {
    rig = await startRig()
    const uids = [21001, 21002, 21003, 21004, 21005]
    const exits = await Promise.all(uids.map(uid => callAs(uid, rig?.socket ?? '', 8, 12)))
    expect(exits).toEqual(uids.map(() => 0))
    expect(rig.core.callers).toHaveLength(5 * 8 * 12)
    for (const [index, caller] of rig.core.callers.entries()) {
      const claim = Object.fromEntries((rig.core.workloads[index]?.env ?? []).map(e => [e.name, e.value]))
      expect({ UID: `${caller.uid}`, GID: `${caller.gid}`, PID: `${caller.pid}` }).toEqual(claim)
      expect(caller.cgroup).toMatch(/^\//)
      expect(caller).toMatchObject({ governor: false, auditor: false, parentExecution: null })
    }
    expect(new Set(rig.core.callers.map(c => c.connection)).size).toBe(5 * 8)
  })

  it('come from the socket of an execution as its children, without any role', async () => {
    rig = await startRig()
    const parents = ['a', 'b'].map(digit => digit.repeat(32))
    for (const parentExecution of parents) {
      const acceptor = await rig.server.listen({
        path: join(rig.directory, 'children', `${parentExecution}.sock`),
        access: 'all',
        parentExecution,
        roles: () => ({ governor: true, auditor: true }),
        refuse: () => null,
      })
      const client = new WritClient(acceptor.path)
      await client.call(api.execution.Authorize, { artifact: Buffer.from('{}'), workload: { program: '/x' } })
      expect(rig.core.callers.at(-1)).toMatchObject({ parentExecution, governor: false, auditor: false })
      client.close()
      rig.server.unlisten(acceptor)
      expect(readdirSync(join(rig.directory, 'children'))).not.toContain(`${parentExecution}.sock`)
    }
  })

  it('that the socket does not want are refused before a byte is read', async () => {
    const seen: PeerCredentials[] = []
    rig = await startRig({
      listen: {
        refuse: peer => {
          seen.push(peer)
          return 'its uid belongs to a workload'
        },
      },
    })
    await expect(rig.client().call(api.attestation.GetStatus, {})).rejects.toMatchObject({
      code: 'UNAVAILABLE',
    })
    expect(seen[0]?.uid).toBe(process.geteuid?.())
    expect(rig.warnings[0]).toContain('its uid belongs to a workload')
    expect(rig.acceptor.connections).toBe(0)
  })

  it('leave no descriptor behind', async () => {
    rig = await startRig()
    const open = () => readdirSync('/proc/self/fd').length
    await rig.client().call(api.attestation.GetStatus, {})
    const before = open()
    for (let i = 0; i < 30; i++) {
      const client = new WritClient(rig.socket)
      await client.call(api.attestation.GetStatus, {})
      client.close()
    }
    for (let i = 0; i < 100 && open() > before; i++) await sleep(20)
    expect(open()).toBeLessThanOrEqual(before)
  })
})

describe('identify', () => {
  const credentials: PeerCredentials = { pid: 5, uid: 1, gid: 1, pidfd: null, bound: true, cgroup: '/x' }
  const withFd = (fd: unknown) => ({ _handle: { fd } }) as unknown as Socket

  it.each<[string, Socket, () => PeerCredentials]>([
    ['without a handle', {} as Socket, () => credentials],
    ['with a closed handle', { _handle: null } as unknown as Socket, () => credentials],
    ['without a descriptor', withFd(undefined), () => credentials],
    ['with descriptor -1', withFd(-1), () => credentials],
    [
      'that the kernel does not know',
      withFd(3),
      () => {
        throw new Error('ENOTCONN')
      },
    ],
    ['with uid -1', withFd(3), () => ({ ...credentials, uid: 0xffffffff })],
    ['with gid -1', withFd(3), () => ({ ...credentials, gid: 0xffffffff })],
    ['with pid 0', withFd(3), () => ({ ...credentials, pid: 0 })],
    ['with no uid', withFd(3), () => ({ ...credentials, uid: undefined }) as unknown as PeerCredentials],
  ])('fails closed for a socket %s', (_name, socket, read) => {
    expect(PeerRegistry.identify(socket, read)).toBeNull()
  })

  it('does not believe a cgroup that was looked up by number', () => {
    const peer = PeerRegistry.identify(withFd(3), () => ({ ...credentials, bound: false }))
    expect(peer).toMatchObject({ uid: 1, pidfd: null, cgroup: null })
  })

  it('knows the peer of a real socket through the handle that Node keeps', async () => {
    rig = await startRig()
    const path = join(rig.directory, 'plain.sock')
    const accepted = new Promise<Socket>(resolve => {
      const server = createServer(socket => {
        resolve(socket)
        server.close()
      }).listen(path)
    })
    const client = connect(path)
    const socket = await accepted
    const peer = PeerRegistry.identify(socket, peerCredentials)
    expect(peer).toMatchObject({ pid: process.pid, uid: process.geteuid?.(), gid: process.getegid?.() })
    socket.destroy()
    client.destroy()
  })
})

describe('a call whose caller is not known', () => {
  it('has none, whatever grpc-js answers', () => {
    const registry = new PeerRegistry()
    expect(registry.callerOf({ getPeer: () => 'unknown' })).toBeNull()
    expect(
      registry.callerOf({
        getPeer: () => {
          throw new Error('ERR_HTTP2_SOCKET_UNBOUND')
        },
      }),
    ).toBeNull()
  })

  it('is refused with CALLER_UNKNOWN', async () => {
    rig = await startRig()
    const { core } = rig
    const admit = PeerRegistry.prototype.admit
    // The connection goes to grpc-js without a name: its own answer on a Unix socket is 'unknown'.
    PeerRegistry.prototype.admit = (_socket, caller, roles) => ({
      ...caller,
      ...roles(),
      pidfd: null,
      connection: 'none',
    })
    try {
      await expect(
        rig.client().call(api.execution.Authorize, { artifact: Buffer.from('{}'), workload: {} }),
      ).rejects.toMatchObject({
        code: 'DENIED',
        status: 'UNAUTHENTICATED',
        reasons: [{ code: 'CALLER_UNKNOWN' }],
      })
      expect(core.callers).toHaveLength(0)
    } finally {
      PeerRegistry.prototype.admit = admit
    }
  })
})
