import { closeSync, copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { orderDigest } from '../../daemon/launcher/order-digest.ts'
import type { LaunchOrder, SubjectPath } from '../../daemon/launcher/types.ts'
import { bootTimeNs, sealedMemfd } from '../../daemon/native.ts'
import { isRoot, newId, SECOND, TestHost, type Writd } from './host.ts'

const SHARED = { uid: 400_000, gid: 400_000 }

/** What the launcher says that an execution was made of, and what daemon/hand-over compares that with. */
describe.skipIf(!isRoot)('the digest of an order', () => {
  const host = new TestHost({
    shared_uids: '400000-400001',
    groups: '500000-500001',
    'device.null': '/dev/null',
  })
  const secret = sealedMemfd(Buffer.from('secret'))
  let writd: Writd
  let program: string
  let tree: string

  beforeAll(async () => {
    host.config.store = join(host.directory, 'store')
    host.config.store_bytes = String(1 << 24)
    await host.start()
    writd = await host.connect()
    program = join(host.directory, 'sleep')
    copyFileSync('/bin/sleep', program)
    tree = join(host.directory, 'tree')
    mkdirSync(tree)
    writeFileSync(join(tree, 'file'), 'bytes')
    for (const name of ['one', 'two', 'same']) writeFileSync(join(host.directory, name), name.slice(0, 3))
    for (const name of ['w1', 'w2']) mkdirSync(join(host.directory, name))
  })
  afterAll(async () => {
    writd.client.close()
    closeSync(secret)
    await host.stop()
  })

  type Change = Partial<LaunchOrder> & { subjects?: SubjectPath[] }
  const file = (name: string): SubjectPath => ({ path: join(host.directory, name), kind: 'file' })

  const listedAs = async (id: string) =>
    (await writd.client.list()).find(({ executionId }) => executionId === id)

  /** As the launcher lists it, and as whoever knows the order has it. */
  async function digests({ subjects = [file('sleep')], ...change }: Change, executionId: string) {
    const { user = 'own' } = change
    const staged = await writd.client.stage(executionId, subjects, user)
    const order: LaunchOrder = {
      ...{ executionId, parentExecution: null, epoch: writd.page.read().epoch },
      ...{ expiryBootNs: bootTimeNs() + 60n * SECOND, maxEvidenceAgeNs: 60n * SECOND },
      digests: staged.map(subject => ('sha256' in subject ? subject.sha256 : '')),
      ...{ argv: ['sleep', '300'], env: ['A=1'], cwd: '/', network: 'none', writable: [], limits: {} },
      stdio: { stdin: 'null', stdout: 'null', stderr: 'null' },
      ...change,
    }
    const prepared = await writd.client.prepare(order)
    for (const stream of [prepared.stdin, prepared.stdout, prepared.stderr, prepared.socket])
      stream?.destroy()
    const listed = (await listedAs(executionId))?.order
    writd.client.abandon(executionId)
    // The same id again: only the list says that it is free.
    await expect.poll(() => listedAs(executionId), { interval: 5 }).toBeUndefined()
    return { listed, known: orderDigest(subjects, order) }
  }

  it('is the same in C and here, other for each thing that a permit fixes, and the same for the deadlines', async () => {
    const parent = await writd.start([program, '300'], { children: true, subjects: [program], unread: true })
    parent.socket?.destroy()
    const id = newId()
    const pipe = { stdin: 'pipe', stdout: 'pipe', stderr: 'pipe' } as const
    const path = (name: string) => join(host.directory, name)
    const changes: [what: string, change: Change][] = [
      ['nothing', {}],
      ['another program', { subjects: [{ path: '/bin/cat', kind: 'file' }] }],
      ['its path', { subjects: [{ path: '/bin/sleep', kind: 'file' }] }],
      ['one file more', { subjects: [file('sleep'), file('one')] }],
      ['another file', { subjects: [file('sleep'), file('two')] }],
      ['two files', { subjects: [file('sleep'), file('one'), file('two')] }],
      ['the other way round', { subjects: [file('sleep'), file('two'), file('one')] }],
      ['a directory', { subjects: [file('sleep'), { path: tree, kind: 'tree' }] }],
      ['arguments', { argv: ['sleep', '301'] }],
      ['an argument moved', { argv: ['sleep', '300', 'A=1'], env: [] }],
      ['environment', { env: ['A=2'] }],
      ['directory', { cwd: '/tmp' }],
      ['network', { network: 'loopback' }],
      ['host network', { network: 'host' }],
      ['profile', { seccomp: 'strict' }],
      ['writable', { writable: [path('w1')] }],
      ['another writable', { writable: [path('w2')] }],
      ['device', { devices: ['null'] }],
      ['user', { user: SHARED }],
      ['another user', { user: { uid: 400_001, gid: 400_001 } }],
      ['group', { user: { ...SHARED, gid: 500_000 } }],
      ['groups', { user: SHARED, groups: [500_001] }],
      ['streams', { stdio: pipe }],
      ['terminal', { stdio: 'terminal' }],
      ['children', { children: true }],
      ['parent', { parentExecution: parent.executionId }],
      ['grace', { graceNs: SECOND }],
      ['secret', { secrets: [{ fd: secret, descriptor: 5 }] }],
      ['number of a secret', { secrets: [{ fd: secret, descriptor: 6 }] }],
      ['run time', { limits: { runTimeNs: SECOND } }],
      ['processor time', { limits: { cpuTimeNs: SECOND } }],
      ['address space', { limits: { addressSpaceBytes: 2 ** 32 } }],
      ['size of files', { limits: { fileBytes: 2 ** 32 } }],
      ['processes', { limits: { pids: 7 } }],
      ['open files', { limits: { openFiles: 64 } }],
    ]
    const seen = new Map<string, string>()
    for (const [what, change] of changes) {
      const { listed, known } = await digests(change, id)
      expect([what, listed]).toEqual([what, known])
      expect([what, seen.get(known)]).toEqual([what, undefined])
      seen.set(known, what)
    }
    expect(seen.has((await digests({}, newId())).known)).toBe(false)
    for (const change of [{ expiryBootNs: bootTimeNs() + 9n * SECOND }, { maxEvidenceAgeNs: 30n * SECOND }])
      expect(seen.get((await digests(change, id)).listed ?? '')).toBe('nothing')
    const epoch = writd.page.lapse()
    writd.page.renew(epoch, bootTimeNs())
    const { listed, known } = await digests({}, id)
    expect([listed, seen.has(known)]).toEqual([known, false])
    writd.client.kill(parent.executionId, 'TERMINATED')
    await writd.ended(parent.executionId)
  }, 60_000)

  it('is not there before there is an order', async () => {
    const executionId = newId()
    await writd.client.stage(executionId, [program])
    expect(await listedAs(executionId)).toMatchObject({ state: 'STAGED', order: '0'.repeat(64) })
    writd.client.abandon(executionId)
  })
})
