import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, closeSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { LauncherClient } from '../../daemon/launcher/client.ts'
import { decodeFailure, decodeMessage } from '../../daemon/launcher/decode.ts'
import { encodeOrder, encodeStrings } from '../../daemon/launcher/encode.ts'
import { MESSAGE } from '../../daemon/launcher/wire.ts'
import { LeasePage, SeqpacketChannel, sealedMemfd } from '../../daemon/native.ts'
import { asUser, freshPage, isRoot, LAUNCHD, newId, sleep, TestHost, until, WRITD_UID } from './host.ts'

/** Who may order, and what becomes of orders that are none. */
describe.skipIf(!isRoot)('the launcher’s socket', () => {
  const log = join('/tmp', `writ-log-${newId()}`)
  const host = new TestHost({ event_log: log, ima_log: '/nonexistent/log' })

  beforeAll(async () => {
    writeFileSync(log, 'measured', { mode: 0o600 })
    await host.start()
  })
  afterAll(async () => {
    await host.stop()
    spawnSync('rm', ['-f', log])
  })

  /** A connection as writd that sends bytes of its own and gives what comes back. */
  const raw = () => {
    const received: Buffer[] = []
    const state = { ended: false }
    const channel = asUser(
      WRITD_UID,
      () =>
        new SeqpacketChannel(host.socket, {
          message: bytes => received.push(bytes),
          end: () => {
            state.ended = true
          },
        }),
    )
    return { channel, received, state }
  }
  const codeOf = (bytes: Buffer | undefined): string =>
    bytes === undefined ? 'nothing' : decodeFailure(decodeMessage(bytes), 'order').code

  it('is writd’s alone, in a directory of root', () => {
    const directory = statSync(join(host.directory, 'run'))
    expect([directory.uid, directory.gid, directory.mode & 0o7777]).toEqual([0, 0, 0o711])
    const socket = statSync(host.socket)
    expect([socket.uid, socket.gid, socket.mode & 0o7777]).toEqual([WRITD_UID, 0, 0o600])
  })

  it('is for exactly one uid, which is not even root', async () => {
    chmodSync(join(host.directory, 'run'), 0o777)
    chmodSync(host.socket, 0o666)
    try {
      for (const uid of [0, 64400]) {
        const connecting = asUser(uid, () => LauncherClient.connect(host.socket, freshPage()))
        await expect(connecting).rejects.toMatchObject({ code: 'DISCONNECTED' })
        await until(() => host.log.includes(`refused a connection of uid ${uid}`))
      }
    } finally {
      chmodSync(join(host.directory, 'run'), 0o711)
      chmodSync(host.socket, 0o600)
    }
    const stranger = () => asUser(64400, () => LauncherClient.connect(host.socket, freshPage()))
    await expect(stranger()).rejects.toMatchObject({ code: 'UNREACHABLE' })
    // Users who may call writd are members of its group.
    const before = process.getgroups?.() ?? []
    process.setgroups?.([WRITD_UID])
    try {
      await expect(stranger()).rejects.toMatchObject({ code: 'UNREACHABLE' })
    } finally {
      process.setgroups?.(before)
    }
  })

  it('serves one connection at a time', async () => {
    const writd = await host.connect()
    await expect(host.connect()).rejects.toMatchObject({ code: 'DISCONNECTED' })
    expect((await writd.run(['/bin/true'])).end.exitCode).toBe(0)
    writd.client.close()
    await until(() => host.log.includes('writd is gone'))
  })

  it('serves a writd that comes back at once, after what it ordered before', async () => {
    const told: string[] = []
    for (let i = 0; i < 50; i++) {
      const page = freshPage()
      const before = await host.connect(page)
      const running = i % 10 === 0 ? await before.start(['/bin/sleep', '300']) : null
      if (running !== null) before.client.kill(running.executionId, 'TERMINATED')
      before.client.close()
      const after = await host.connect(page)
      const listed = async () => (await after.client.list()).map(({ executionId }) => executionId)
      while (running !== null && (await listed()).includes(running.executionId)) await sleep(5)
      // An end that was told to the connection just before it closed is not told again.
      if (running !== null && after.hasEnded(running.executionId))
        told.push((await after.ended(running.executionId)).cause)
      after.client.close()
    }
    expect(told.length).toBeGreaterThan(0)
    expect(new Set(told)).toEqual(new Set(['TERMINATED']))
  })

  it('passes the logs that only root may read, and says which there are not', async () => {
    const writd = await host.connect()
    const fd = await writd.client.openLog('eventlog')
    expect(readFileSync(fd ?? -1, 'utf8')).toBe('measured')
    expect(await writd.client.openLog('userspace')).toBeNull()
    expect(await writd.client.openLog('ima')).toBeNull()
    writd.client.close()
  })

  it('takes no order before a greeting, and no greeting with a page that can be written or shrunk', async () => {
    const { channel, received } = raw()
    channel.send(encodeOrder(MESSAGE.list, 1n, Buffer.alloc(8)))
    await until(() => received.length === 1)
    expect(codeOf(received[0])).toBe('NOT_GREETED')
    const noPage = sealedMemfd(Buffer.alloc(4096))
    const otherwiseSealed = sealedMemfd(readFileSync(`/proc/self/fd/${LeasePage.create().fd}`))
    for (const fd of [noPage, otherwiseSealed]) {
      const before = received.length
      channel.send(encodeOrder(MESSAGE.hello, 2n, Buffer.alloc(0)), [fd])
      await until(() => received.length > before)
      expect(codeOf(received.at(-1))).toBe('BAD_LEASE')
      closeSync(fd)
    }
    received.length = 2
    channel.send(encodeOrder(MESSAGE.hello, 3n, Buffer.alloc(0)), [LeasePage.create().fd])
    await until(() => received.length === 3)
    expect(decodeMessage(received[2] ?? Buffer.alloc(0)).status).toBe(0)
    channel.send(encodeOrder(MESSAGE.hello, 4n, Buffer.alloc(0)), [LeasePage.create().fd])
    await until(() => received.length === 4)
    expect(codeOf(received[3])).toBe('BAD_STATE')
    channel.close()
  })

  it('refuses orders that come in the wrong order', async () => {
    const writd = await host.connect()
    const id = newId()
    await expect(writd.client.start(id, 1n)).rejects.toMatchObject({ code: 'ENDED' })
    await writd.client.stage(id, ['/bin/true'])
    await expect(writd.client.stage(id, ['/bin/true'])).rejects.toMatchObject({ code: 'ID_IN_USE' })
    await expect(writd.client.start(id, 1n)).rejects.toMatchObject({ code: 'BAD_STATE' })
    writd.client.abandon(id)
    await expect(writd.prepare(['/bin/true'], { parentExecution: 'x' })).rejects.toMatchObject({
      code: 'INVALID_ORDER',
    })
    writd.client.close()
  })

  it('survives whatever is sent, and answers what is well-formed', async () => {
    const body = fc.uint8Array({ maxLength: 300 })
    const order = fc.record({
      type: fc.integer({ min: 0, max: 15 }),
      request: fc.bigInt({ min: 0n, max: 9n }),
      body,
    })
    const kept = fc.record({ bytes: fc.uint8Array({ maxLength: 64 }), whole: order, isWhole: fc.boolean() })
    await fc.assert(
      fc.asyncProperty(fc.array(kept, { maxLength: 6 }), async messages => {
        const { channel, received } = raw()
        channel.send(encodeOrder(MESSAGE.hello, 100n, Buffer.alloc(0)), [LeasePage.create().fd])
        await until(() => received.length === 1)
        for (const { bytes, whole, isWhole } of messages) {
          const sent = isWhole
            ? encodeOrder(whole.type, whole.request, Buffer.from(whole.body))
            : Buffer.from(bytes)
          const table = sealedMemfd(encodeStrings(['/bin/true', 'a', '/']))
          try {
            if (sent.length > 0) channel.send(sent, whole.type % 2 === 0 ? [table] : [])
          } catch {
            break // it was cut off for what came before
          } finally {
            closeSync(table)
          }
        }
        channel.close()
      }),
      { numRuns: 40 },
    )
    await until(() => host.leaves().length === 0)
    const writd = await host.connect()
    expect((await writd.run(['/bin/true'])).end.exitCode).toBe(0)
    expect(await writd.client.list()).toEqual([])
    writd.client.close()
  })
})

describe.skipIf(!isRoot)('the launcher does not start', () => {
  const start = (host: TestHost) => {
    const file = host.writeConfig()
    return { file, run: () => spawnSync(LAUNCHD, ['--config', file], { encoding: 'utf8', timeout: 5000 }) }
  }

  it.each([
    ['owned by somebody else', (file: string) => chownSync(file, 64400, 0)],
    ['writable by a group', (file: string) => chmodSync(file, 0o620)],
    ['writable by all', (file: string) => chmodSync(file, 0o602)],
    ['with an unknown key', (file: string) => writeFileSync(file, 'sockets = /x\n')],
    [
      'that runs writd as root',
      (file: string) => writeFileSync(file, 'socket=/x/y\nwritd_uid=0\nwritd_gid=0\nuids=2000-3000\n'),
    ],
  ])('with a configuration %s', async (_, spoil) => {
    const host = new TestHost()
    const { file, run } = start(host)
    spoil(file)
    const { status, stderr } = run()
    expect([status, stderr]).toEqual([1, expect.stringContaining(file)])
    await host.stop()
  })

  it('in a directory that somebody else can change, or beside another launcher', async () => {
    const host = new TestHost()
    const { run } = start(host)
    mkdirSync(join(host.directory, 'run'))
    chmodSync(join(host.directory, 'run'), 0o770)
    expect(run()).toMatchObject({ status: 1, stderr: expect.stringContaining('not permitted') })
    chmodSync(join(host.directory, 'run'), 0o711)
    await host.start()
    expect(run()).toMatchObject({ status: 1, stderr: expect.stringContaining('another launcher') })
    const elsewhere = new TestHost({ cgroup: host.cgroup })
    await expect(elsewhere.start()).rejects.toThrow(`cgroup ${host.cgroup}`)
    await elsewhere.stop()
    await host.stop()
  })

  it('on a host with no cgroup v2 hierarchy, alone or beside v1', async () => {
    const host = new TestHost()
    const { file } = start(host)
    const script = 'mount -t tmpfs none /sys/fs/cgroup && exec "$0" --config "$1"'
    const { status, stderr } = spawnSync('unshare', ['--mount', 'sh', '-c', script, LAUNCHD, file], {
      encoding: 'utf8',
      timeout: 5000,
    })
    expect([status, stderr]).toEqual([1, expect.stringContaining('no cgroup v2 hierarchy')])
    await host.stop()
  })

  it('as somebody else than root', async () => {
    const host = new TestHost()
    const { file } = start(host)
    const { status, stderr } = spawnSync(LAUNCHD, ['--config', file], {
      encoding: 'utf8',
      uid: 64400,
      gid: 64400,
    })
    expect([status, stderr]).toEqual([1, expect.stringContaining('root')])
    await host.stop()
  })
})
