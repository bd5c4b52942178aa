import { execFileSync } from 'node:child_process'
import { chmodSync, closeSync, constants, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { decodePrepared, decodeStaged } from '../../daemon/launcher/decode.ts'
import {
  encodeKill,
  encodeLapse,
  encodeList,
  encodeOpenLog,
  encodeOrder,
  encodePrepare,
  encodeStage,
  encodeStart,
  encodeStrings,
  encodeThaw,
  idBytes,
} from '../../daemon/launcher/encode.ts'
import type { LaunchOrder } from '../../daemon/launcher/types.ts'
import { HEADER_BYTES, MESSAGE, NONE } from '../../daemon/launcher/wire.ts'
import { bootTimeNs, sealedMemfd } from '../../daemon/native.ts'
import { descriptors } from '../support/processes.ts'
import { freshPage, isRoot, newId, SECOND, sleep, TestHost, until, WRITD_UID } from './host.ts'
import { Hostile, looksClosedIn } from './hostile.ts'

const LOW_UID = 900
const SHARED = 64400
/** The place of the first limit in the body of a PREPARE, after two ids and three instants; what follows are the other fields. */
const FIXED_BYTES = 56

/** What a `writd` in somebody else's hands can make the launcher do: docs/launcher.md. */
describe.skipIf(!isRoot)('a taken-over writd', () => {
  const host = new TestHost({
    shared_uids: `${LOW_UID},${SHARED},${WRITD_UID}`,
    groups: '64500',
    max_executions: '20',
    'device.some': '/dev/null',
  })
  const kilobytes = () =>
    Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${host.pid}/status`, 'utf8'))?.[1])
  let writd: Hostile

  const connect = async () => {
    const made = new Hostile(host.socket, freshPage())
    return await made.greet()
  }
  beforeAll(() => host.start())
  beforeEach(async () => {
    writd?.close()
    await sleep(20)
    writd = await connect()
  })
  afterAll(async () => {
    writd?.close()
    await host.stop()
  })
  /** Still one that serves, and nothing left of what was tried. */
  const unharmed = async () => {
    writd.close()
    await sleep(20)
    const page = freshPage()
    const honest = await host.connect(page)
    expect((await honest.run(['/bin/true'])).end.exitCode).toBe(0)
    honest.client.close()
    await until(() => host.leaves().length === 0)
    writd = await connect()
  }

  it('can start what any unprivileged user could, without any artifact', async () => {
    const order = await writd.honest()
    const prepared = await writd.prepare(order)
    expect(prepared.code).toBe('OK')
    expect((await writd.ask(MESSAGE.start, encodeStart(order.executionId, order.epoch))).code).toBe('OK')
    expect((await writd.ask(MESSAGE.kill, encodeKill(order.executionId, 'TERMINATED'))).code).toBe('OK')
  })

  it.each([
    ['root', 0, 0, 'UID_REFUSED'],
    ['a uid below the least one, although it is configured', LOW_UID, LOW_UID, 'UID_REFUSED'],
    ['writd itself, although it is configured', WRITD_UID, WRITD_UID, 'UID_REFUSED'],
    ['a uid that is some execution’s own', 300_001, 300_001, 'UID_REFUSED'],
    ['a uid that is not configured', 65_534, 65_534, 'UID_REFUSED'],
    ['group root', SHARED, 0, 'GID_REFUSED'],
    ['writd’s group', SHARED, WRITD_UID, 'GID_REFUSED'],
    ['a group that is not configured', SHARED, 6, 'GID_REFUSED'],
    ['group 4294967295', SHARED, NONE, 'GID_REFUSED'],
  ])('gets nothing run as %s', async (_, uid, gid, code) => {
    expect(await writd.stage(newId(), ['/bin/true'], { uid, gid })).toMatchObject({ code })
    // Staged under a uid of its own, and another one named after that.
    const order = await writd.honest()
    expect(await writd.prepare({ ...order, user: { uid, gid } })).toMatchObject({ code })
    // Staged with more rights than it is to run with.
    const shared = await writd.honest(['/bin/sleep'], { uid: SHARED, gid: SHARED })
    const { user: _user, ...own } = shared
    expect(await writd.prepare(own)).toMatchObject({ code: 'UID_REFUSED' })
  })

  it.each([0, WRITD_UID, 6, 64501, NONE])('gets nobody into group %i', async group => {
    const order = await writd.honest()
    expect(await writd.prepare({ ...order, groups: [64500, group] })).toMatchObject({ code: 'GID_REFUSED' })
  })

  it('gets no other bytes run than those that were hashed', async () => {
    const order = await writd.honest(['/bin/sleep', '/bin/true'])
    const other = 'ab'.repeat(32)
    const [one = '', two = ''] = order.digests
    for (const digests of [[other, two], [one, other], [two, one], [one], [one, two, two]])
      expect([digests.length, (await writd.prepare({ ...order, digests })).code]).toEqual([
        digests.length,
        'DIGEST_MISMATCH',
      ])
    expect((await writd.prepare(order)).code).toBe('OK')
  })

  it('reads nothing with the launcher’s rights, whatever path it names', async () => {
    const locked = join(host.directory, 'locked')
    mkdirSync(locked, { mode: 0o700, recursive: true })
    writeFileSync(join(locked, 'secret'), 'x')
    chmodSync(join(locked, 'secret'), 0o644)
    execFileSync('mkfifo', ['-m', '0666', join(host.directory, 'fifo')])
    const staged = async (path: string) => {
      const answer = await writd.stage(newId(), [path])
      return answer.code === 'OK' ? (decodeStaged(answer.body).subjects[0]?.code ?? '') : answer.code
    }
    const outside = [
      '/etc/shadow',
      join(locked, 'secret'),
      `/proc/${host.pid}/environ`,
      `/proc/${host.pid}/exe`,
      '/proc/1/root/etc/shadow',
    ]
    for (const path of outside)
      expect([path, await staged(path)]).toEqual([path, expect.stringMatching(/^SUBJECT_/)])
    for (const path of ['/dev/zero', '/dev/tty', join(host.directory, 'fifo'), host.socket])
      expect([path, await staged(path)]).toEqual([path, expect.stringMatching(/^SUBJECT_/)])
    for (const path of ['bin/true', '/bin/../bin/true', '/bin//true', '/bin/./true', '', '/bin/true/'])
      expect([path, await staged(path)]).toEqual([path, expect.not.stringMatching(/^OK$/)])
  })

  it('writes nowhere where the uid could not, and starts nowhere where it may not be', async () => {
    const outside = [
      '/root',
      '/dev',
      '/dev/null',
      `/proc/${host.pid}`,
      '/proc/self/fd',
      '/sys',
      '/x/../etc',
      'etc',
      '/proc/self/cwd',
    ]
    for (const path of outside) {
      const order = await writd.honest()
      const { code } = await writd.prepare({ ...order, writable: [path] })
      // What the uid can name but not change gives it nothing.
      expect([path, code]).toEqual([path, path === '/root' ? 'OK' : 'WRITABLE_REFUSED'])
    }
    for (const cwd of [
      '/root',
      '/proc/self/fd/0',
      `/proc/${host.pid}/cwd`,
      '/nonexistent',
      'tmp',
      '/tmp/..',
    ]) {
      const order = await writd.honest()
      expect([cwd, (await writd.prepare({ ...order, cwd })).code]).toEqual([cwd, 'CWD_REFUSED'])
    }
  })

  it('cannot switch the baseline off: whatever fields it sends, what is made has it', async () => {
    const change = fc.record({
      at: fc.integer({ min: FIXED_BYTES, max: 223 }),
      value: fc.oneof(fc.constantFrom(0, 1, 2, 3, 7, 8, 15, 16, 255), fc.nat(255)),
    })
    let made = 0
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 3 }), async changes => {
        const order = await writd.honest()
        const answer = await writd.prepare(order, body => {
          for (const { at, value } of changes) body.writeUInt8(value, at)
        })
        if (answer.code === 'OK') {
          const { pid, uid } = decodePrepared(answer.body)
          made += looksClosedIn(pid, uid) ? 1 : 0
          await writd.ask(MESSAGE.kill, encodeKill(order.executionId, 'TERMINATED'))
        } else if (answer.code !== 'CUT OFF') {
          await writd.ask(MESSAGE.abandon, idBytes(order.executionId))
        }
      }),
      { numRuns: 40 },
    )
    expect(made).toBeGreaterThan(0)
    await unharmed()
  })

  it.each([
    ['a network', 'network', 3],
    ['a profile', 'profile', 2],
  ] as const)('knows no other value of %s than those that there are', async (_, field, value) => {
    // Where the fields lie is what encodePrepare says: the one byte that differs.
    const order = await writd.honest()
    const plain = encodePrepare(order).body
    const set = encodePrepare({
      ...order,
      ...(field === 'network' ? { network: 'host' } : { seccomp: 'strict' }),
    }).body
    const at = plain.findIndex((byte, i) => byte !== set[i])
    expect((await writd.prepare(order, body => body.writeUInt8(value, at))).code).toBe('MALFORMED')
  })

  it('gets no device that is not configured', async () => {
    for (const name of ['other', '/dev/null', '../some', 'some/../../kmsg', '']) {
      const order = await writd.honest()
      expect([name, (await writd.prepare({ ...order, devices: [name] })).code]).toEqual([
        name,
        'DEVICE_REFUSED',
      ])
    }
  })

  it('runs nothing without a lease, after its end, or under an epoch that is over', async () => {
    const refused: [Partial<LaunchOrder>, string][] = [
      [{ epoch: 2n }, 'EPOCH_OVER'],
      [{ epoch: 0n }, 'EPOCH_OVER'],
      [{ expiryBootNs: bootTimeNs() - 1n }, 'EXPIRED'],
      [{ expiryBootNs: 0n }, 'EXPIRED'],
      [{ maxEvidenceAgeNs: 0n }, 'LEASE_OVER'],
      // Of a lease that the launcher's own file does not give.
      [{ maxEvidenceAgeNs: 7201n * SECOND }, 'LIMIT_UNENFORCEABLE'],
    ]
    for (const [change, code] of refused)
      expect((await writd.prepare({ ...(await writd.honest()), ...change })).code).toBe(code)
    const order = { ...(await writd.honest()), maxEvidenceAgeNs: SECOND }
    expect((await writd.prepare(order)).code).toBe('OK')
    expect((await writd.ask(MESSAGE.start, encodeStart(order.executionId, 2n))).code).toBe('EPOCH_OVER')
    expect((await writd.ask(MESSAGE.start, encodeStart(order.executionId, 1n))).code).toBe('OK')
    await until(() => host.leaves().length === 0) // by its supervisor, which nobody asked
  })

  it('names no execution that is not there, is another’s, or is somewhere else', async () => {
    const unknown = newId()
    const id = idBytes(unknown)
    const orders: [number, Buffer][] = [
      [MESSAGE.start, encodeStart(unknown, 1n)],
      [MESSAGE.kill, encodeKill(unknown, 'TERMINATED')],
      [MESSAGE.abandon, id],
      [MESSAGE.thaw, encodeThaw(unknown, 1n)],
    ]
    for (const [type, body] of orders)
      expect([type, (await writd.ask(type, body)).code]).toEqual([type, 'UNKNOWN_EXECUTION'])
    const order = await writd.honest()
    expect((await writd.prepare({ ...order, executionId: unknown })).code).toBe('UNKNOWN_EXECUTION')
    expect((await writd.prepare({ ...order, parentExecution: unknown })).code).toBe('PARENT_ENDED')
    expect((await writd.prepare({ ...order, parentExecution: order.executionId })).code).toBe('PARENT_ENDED')
    expect((await writd.stage(order.executionId, ['/bin/true'])).code).toBe('ID_IN_USE')
    expect((await writd.prepare(order)).code).toBe('OK')
    expect((await writd.prepare(order)).code).toBe('BAD_STATE')
    expect((await writd.ask(MESSAGE.thaw, encodeThaw(order.executionId, 1n))).code).toBe('BAD_STATE')
    // An execution of another writd is ended when this one comes, and is not this one's.
    writd.close()
    await sleep(20)
    writd = await connect()
    await until(() => host.leaves().length === 0)
    expect((await writd.ask(MESSAGE.start, encodeStart(order.executionId, 1n))).code).toMatch(
      /^(UNKNOWN_EXECUTION|ENDED)$/,
    )
  })

  it('is refused each kind of order that is cut, too long, or has other descriptors than it should', async () => {
    const id = newId()
    const order = await writd.honest()
    const { body: prepare, strings } = encodePrepare(order)
    const kinds: [number, Buffer, Buffer | null][] = [
      [MESSAGE.openLog, encodeOpenLog('ima'), null],
      [MESSAGE.stage, encodeStage(id, ['file'], 1n << 20n, null), encodeStrings(['/bin/true'])],
      [MESSAGE.prepare, prepare, strings],
      [MESSAGE.start, encodeStart(id, 1n), null],
      [MESSAGE.kill, encodeKill(id, 'REVOKED'), null],
      [MESSAGE.lapse, encodeLapse(0n, false), null],
      [MESSAGE.abandon, idBytes(id), null],
      [MESSAGE.list, encodeList(0), null],
      [MESSAGE.thaw, encodeThaw(id, 1n), null],
    ]
    for (const [type, body, table] of kinds) {
      const open = () => (table === null ? [] : [sealedMemfd(table)])
      const ask = async (bytes: Buffer, given: number[]) => {
        const { code } = await writd.ask(type, bytes, given)
        for (const descriptor of given) closeSync(descriptor)
        return [type, code]
      }
      for (const cut of [0, 1, body.length >> 1, body.length - 1])
        expect(await ask(body.subarray(0, cut), open())).toEqual([type, 'MALFORMED'])
      expect(await ask(Buffer.concat([body, Buffer.alloc(1)]), open())).toEqual([type, 'MALFORMED'])
      expect(await ask(body, [...open(), openSync('/dev/null', 'r')])).toEqual([type, 'MALFORMED'])
      if (table !== null) expect(await ask(body, [])).toEqual([type, 'MALFORMED'])
    }
    for (const type of [0, 12, 100, 0x4001, 0x8001, 0xffff])
      expect([type, (await writd.ask(type, Buffer.alloc(16))).code]).toEqual([type, 'MALFORMED'])
    await unharmed()
  })

  it('is refused descriptors of another kind, and delays nobody with them', async () => {
    const file = join(host.directory, 'table')
    writeFileSync(file, '/bin/true\0')
    execFileSync('mkfifo', [join(host.directory, 'table-fifo')])
    const wrong: [string, () => number][] = [
      ['a file', () => openSync(file, 'r')],
      ['a directory', () => openSync('/', 'r')],
      ['a device', () => openSync('/dev/zero', 'r')],
      [
        'a fifo',
        () => openSync(join(host.directory, 'table-fifo'), constants.O_RDONLY | constants.O_NONBLOCK),
      ],
      ['a lease page', () => openSync(`/proc/self/fd/${writd.page.fd}`, 'r')],
      ['nothing in it', () => sealedMemfd(Buffer.alloc(0))],
      ['no end', () => sealedMemfd(Buffer.from('/bin/true'))],
      ['too many strings', () => sealedMemfd(encodeStrings(['/bin/true', 'x']))],
      [
        'too many bytes',
        () => sealedMemfd(Buffer.concat([Buffer.alloc((2 << 20) + 1, 'x'), Buffer.alloc(1)])),
      ],
    ]
    const before = descriptors(host.pid)
    for (const [name, open] of wrong) {
      const descriptor = open()
      const { code } = await writd.ask(MESSAGE.stage, encodeStage(newId(), ['file'], 1n << 20n, null), [
        descriptor,
      ])
      closeSync(descriptor)
      expect([name, code]).toEqual([name, 'MALFORMED'])
    }
    writd.close()
    await sleep(20)
    for (const [name, open] of wrong.filter(([name]) => name !== 'a lease page')) {
      const hostile = new Hostile(host.socket, freshPage())
      const descriptor = open()
      const { code } = await hostile.ask(MESSAGE.hello, Buffer.alloc(0), [descriptor])
      closeSync(descriptor)
      expect([name, code]).toEqual([name, 'BAD_LEASE'])
      hostile.close()
      await sleep(20)
    }
    writd = await connect()
    await until(() => descriptors(host.pid) <= before)
  })

  it('floods it in vain: places, memory and descriptors have an end, and the next one is served', async () => {
    const before = { descriptors: descriptors(host.pid), kilobytes: kilobytes() }
    const table = sealedMemfd(encodeStrings(['/bin/true']))
    for (let i = 0; i < 3000; i++) {
      const request = BigInt(100_000 + i)
      writd.send(encodeOrder(MESSAGE.stage, request, encodeStage(newId(), ['file'], 1n << 20n, null)), [
        table,
      ])
      if (i % 3 === 0) writd.send(encodeOrder(MESSAGE.list, request + 10_000n, encodeList(0)))
    }
    await until(() => writd.answers.has(102_999n) || writd.ended, 30_000)
    closeSync(table)
    const codes = Array.from({ length: 3000 }, (_, i) => writd.answer(BigInt(100_000 + i)).code)
    expect(codes.filter(code => code === 'CAPACITY').length).toBeGreaterThan(2000)
    expect(codes.filter(code => code === 'OK').length).toBeLessThanOrEqual(20)
    expect(kilobytes()).toBeLessThan(before.kilobytes + 16_384)
    await unharmed()
    await until(() => descriptors(host.pid) <= before.descriptors + 2)
  })

  it('is refused an order of the greatest length', async () => {
    const { code } = await writd.ask(MESSAGE.list, Buffer.alloc((128 << 10) - HEADER_BYTES))
    expect(code).toBe('MALFORMED')
    await unharmed()
  })
})
