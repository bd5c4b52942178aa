import { spawnSync } from 'node:child_process'
import { readFileSync, realpathSync } from 'node:fs'
import { credentials, loadPackageDefinition, type ServiceClientConstructor } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { protoPath as healthProto } from 'grpc-health-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sha256Hex } from '../../encoding/digest.ts'
import { parseEvent } from '../../lineage/index.ts'
import { api, CallError, WritClient } from '../../proto/client.ts'
import type { Execution } from '../../proto/generated/writ/v1/Execution.ts'
import { parseEnvelope } from '../../signing/dsse.ts'
import { GovernedHost, NEEDS_ROOT } from './governed-host.ts'
import { reflectedServices } from './reflected-services.ts'
import { RemoteCaller } from './remote-caller.ts'

const UIDS = [65_101, 65_102, 65_103]
const SERVICES = ['Attestation', 'Execution', 'Governance', 'Lineage'].map(name => `writ.v1.${name}Service`)
const AUDITOR = 65_199
const CONNECTIONS = 8
const SLEEP = { program: '/bin/sleep', argv: ['/bin/sleep', '40'] }

type Listed = { executions: Execution[] }

describe.skipIf(NEEDS_ROOT !== null)('callers', () => {
  let host: GovernedHost
  let callers: RemoteCaller[]
  let auditor: RemoteCaller
  let root: WritClient
  let sleep: Buffer

  const { TMPDIR } = process.env
  beforeAll(async () => {
    // A workload has a /tmp and a /run of its own. Elsewhere it sees the socket, and it is the daemon that refuses.
    process.env.TMPDIR = '/var/tmp'
    host = await GovernedHost.start({
      config: { access: `auditors = [0, ${AUDITOR}]`, minting: 'enabled = true' },
    })
    sleep = readFileSync(await host.issue('sleep', SLEEP.argv))
    callers = UIDS.map(uid => new RemoteCaller(host.socket, uid))
    auditor = new RemoteCaller(host.socket, AUDITOR)
    root = new WritClient(host.socket)
  }, 120_000)
  afterAll(async () => {
    for (const caller of [...(callers ?? []), auditor]) caller?.close()
    root?.close()
    await host?.close()
    if (TMPDIR === undefined) delete process.env.TMPDIR
    else process.env.TMPDIR = TMPDIR
  })

  const listed = async (caller: RemoteCaller) =>
    (await caller.call<Listed>('execution', 'List', {})).answer?.executions ?? []

  test('each of several uids on many connections sees and ends only its own; an auditor all', async () => {
    const runs = callers.flatMap(caller => [caller.execute(sleep, SLEEP, 0), caller.execute(sleep, SLEEP, 1)])
    await expect.poll(async () => (await listed(auditor)).length, { timeout: 15_000 }).toBe(2 * UIDS.length)
    const all = await listed(auditor)
    await expect
      .poll(async () => (await listed(auditor)).every(e => e.state === 'EXECUTION_STATE_RUNNING'), {
        timeout: 15_000,
      })
      .toBe(true)

    // All at once on all connections, so that a mix-up of two connections would show.
    const lists = callers.flatMap(caller =>
      Array.from({ length: CONNECTIONS }, async (_, connection) => {
        const { answer } = await caller.call<Listed>('execution', 'List', {}, connection)
        return { uid: caller.uid, executions: answer?.executions ?? [] }
      }),
    )
    for (const { uid, executions } of await Promise.all(lists)) {
      expect(executions.map(e => e.callerUid)).toEqual([uid, uid])
    }

    const [first, second] = callers as [RemoteCaller, RemoteCaller]
    const foreign = all.find(({ callerUid }) => callerUid === second.uid)?.executionId ?? ''
    const absent = 'ab'.repeat(16)
    for (const method of ['Get', 'Terminate']) {
      const [other, none] = await Promise.all(
        [foreign, absent].map(executionId => first.call('execution', method, { executionId })),
      )
      expect(other?.error).toMatchObject({ status: 'NOT_FOUND' })
      expect(other?.error?.message.replace(foreign, absent)).toBe(none?.error?.message)
      expect({ ...other?.error, message: '' }).toEqual({ ...none?.error, message: '' })
    }
    expect((await first.read('execution', 'Watch', { executionId: foreign }, 2_000)).error).toMatchObject({
      status: 'NOT_FOUND',
    })

    const watched = await first.read<{ execution: Execution }>('execution', 'Watch', {}, 500)
    expect(new Set(watched.answers?.map(({ execution }) => execution.callerUid))).toEqual(
      new Set([first.uid]),
    )
    const everyone = await auditor.read<{ execution: Execution }>('execution', 'Watch', {}, 500)
    expect(new Set(everyone.answers?.map(({ execution }) => execution.callerUid))).toEqual(new Set(UIDS))

    const mine = all.filter(({ callerUid }) => callerUid === first.uid).map(({ executionId }) => executionId)
    const entries = await first.read<{ entry: Buffer }>('lineage', 'ReadEntries', {}, 5_000)
    const seen = (entries.answers ?? []).map(({ entry }) => parseEvent(entry))
    expect(new Set(seen.map(event => ('executionId' in event ? event.executionId : null)))).toEqual(
      new Set(mine),
    )
    expect(new Set(seen.map(({ type }) => type))).toEqual(new Set(['decision', 'execution-start']))
    expect((await first.call('lineage', 'GetInclusionProof', { index: 0 })).error).toMatchObject({
      status: 'NOT_FOUND',
    })

    // Its own it ends; an auditor ends anybody's.
    const own = await first.call<{ execution: Execution }>('execution', 'Terminate', { executionId: mine[0] })
    expect(own.answer?.execution.state).toBe('EXECUTION_STATE_ENDED')
    const theirs = all.filter(({ executionId }) => executionId !== mine[0])
    const ended = await Promise.all(
      theirs.map(({ executionId }) => auditor.call('execution', 'Terminate', { executionId })),
    )
    expect(ended.every(({ error }) => error === undefined)).toBe(true)
    for (const { answers } of await Promise.all(runs)) {
      expect(answers?.at(-1)).toMatchObject({ ended: { cause: 'END_CAUSE_TERMINATED', confirmedDead: true } })
    }
  }, 60_000)

  test('what is for governors and auditors is refused to others', async () => {
    const [caller] = callers as [RemoteCaller]
    for (const [service, method, request] of [
      ['governance', 'ListRevocations', {}],
      ['governance', 'ClearFailure', { envelope: Buffer.from('{}') }],
      ['lineage', 'GetCheckpoint', { fresh: true }],
    ] as const) {
      expect((await caller.call(service, method, request)).error).toMatchObject({
        status: 'PERMISSION_DENIED',
      })
    }
  })

  test('a uid of the executions, and a workload, get nothing on the main socket', async () => {
    const stranger = new RemoteCaller(host.socket, 70_010)
    try {
      expect((await stranger.call('attestation', 'GetStatus', {})).error).toMatchObject({
        code: 'UNAVAILABLE',
      })
    } finally {
      stranger.close()
    }
    // The same program is served outside, under another uid.
    const program = realpathSync('/usr/bin/python3')
    const script = `import socket
s = socket.socket(socket.AF_UNIX)
s.settimeout(5)
try:
    s.connect(${JSON.stringify(host.socket)})
    s.sendall(b'PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n' + bytes(3) + b'\\x04' + bytes(5))
    print('served' if s.recv(9) else 'closed')
except OSError as e:
    print('closed', e)
`
    const command = [program, '-c', script]
    const artifact = await host.issue('knock', command)
    const refusals = () => host.daemonLog.split('the uid of an execution').length
    // Refusals have one line a second together.
    await new Promise(resolve => setTimeout(resolve, 1_200))
    const before = refusals()
    const { stdout } = await host.writ(['run', '--artifact', artifact, '--', ...command])
    expect(stdout).toMatch(/^closed/)
    await expect.poll(refusals).toBe(before + 1)
    const outside = spawnSync(program, command.slice(1), { uid: UIDS[0], gid: UIDS[0], encoding: 'utf8' })
    expect(outside.stdout).toBe('served\n')
  })

  test('a minted artifact runs once, for its caller', async () => {
    const [caller, other] = callers as [RemoteCaller, RemoteCaller]
    const workload = { program: '/bin/true', argv: ['/bin/true'] }
    const mint = () =>
      caller.call<{ artifact: Buffer; artifactDigest: string; notAfter: string }>('execution', 'Authorize', {
        workload,
      })
    const minted = await mint()
    expect(minted.error).toBeUndefined()
    const artifact = Buffer.from(minted.answer?.artifact ?? [])
    expect(sha256Hex(parseEnvelope(artifact).payload)).toBe(minted.answer?.artifactDigest)
    const { status } = await root.call(api.attestation.GetStatus, {})
    const evidenceEnds = Date.now() + Number(status?.leaseRemainingMs) + 1_500
    expect(Date.parse(minted.answer?.notAfter ?? '')).toBeLessThan(evidenceEnds)

    // Its uid and its gid.
    expect((await other.execute(artifact, workload)).error?.reasons).toEqual([
      'INITIATOR_MISMATCH',
      'INITIATOR_MISMATCH',
    ])
    const changed = { ...workload, argv: ['/bin/true', 'more'] }
    expect((await caller.execute(artifact, changed)).error?.reasons).toEqual(['SCOPE_EXCEEDED'])
    expect((await caller.execute(artifact, workload)).answers?.at(-1)).toMatchObject({
      ended: { exitCode: 0 },
    })
    expect((await caller.execute(artifact, workload)).error?.reasons).toEqual(['REPLAYED'])

    // Raced for on two connections, one gets it.
    const raced = Buffer.from((await mint()).answer?.artifact ?? [])
    const race = await Promise.all([0, 1, 2, 3].map(c => caller.execute(raced, workload, c)))
    expect(race.map(({ error }) => error?.reasons.join() ?? 'ran').toSorted()).toEqual([
      ...['REPLAYED', 'REPLAYED', 'REPLAYED', 'ran'],
    ])

    // Root gets nothing more minted than anybody else: nothing runs as root.
    const asRoot = root.call(api.execution.Authorize, {
      workload: { ...workload, user: { uid: 0, gid: 0, groups: [] } },
    })
    await expect(asRoot).rejects.toThrow(CallError)
  })

  test('health and reflection answer on the socket', async () => {
    const { Health } = (
      loadPackageDefinition(loadSync(healthProto, { enums: String })) as unknown as {
        grpc: { health: { v1: Record<string, ServiceClientConstructor> } }
      }
    ).grpc.health.v1
    if (Health === undefined) throw new Error('no health definition')
    const health = new Health(`unix:${host.socket}`, credentials.createInsecure())
    const check = (service: string) =>
      new Promise((resolve, reject) => {
        health.check?.({ service }, (error: Error | null, answer: unknown) =>
          error ? reject(error) : resolve(answer),
        )
      })
    for (const service of ['', ...SERVICES]) expect(await check(service)).toMatchObject({ status: 'SERVING' })
    await expect(check('writ.v1.NoSuchService')).rejects.toThrow()
    health.close()
    expect(await reflectedServices(host.socket)).toEqual(
      expect.arrayContaining(['grpc.health.v1.Health', ...SERVICES]),
    )
  })

  test('with minting off, which is the default, nothing is minted', async () => {
    const plain = await GovernedHost.start()
    const client = new WritClient(plain.socket)
    try {
      const asked = client.call(api.execution.Authorize, { workload: { program: '/bin/true' } })
      await expect(asked).rejects.toMatchObject({ code: 'DENIED', reasons: [{ code: 'ARTIFACT_MISSING' }] })
    } finally {
      client.close()
      await plain.close()
    }
  }, 60_000)
})
