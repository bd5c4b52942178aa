import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { api, type CallError, type WritClient } from '../../../proto/client.ts'
import { type Rig, startRig } from './rig.ts'

const ARTIFACT = Buffer.from('{}')
const ID = 'ab'.repeat(16)
const failure = (promise: Promise<unknown>): Promise<CallError> =>
  promise.then(
    () => expect.fail('succeeded'),
    error => error,
  )

let rig: Rig
let client: WritClient

/** Of whoever has every role. */
beforeEach(async () => {
  rig = await startRig({ listen: { roles: () => ({ governor: true, auditor: true }) } })
  client = rig.client()
})
afterEach(() => rig.stop())

describe('requests', () => {
  it('come to the daemon as they were sent, with null for what was not', async () => {
    const call = (workload: object) => client.call(api.execution.Authorize, { artifact: ARTIFACT, workload })
    await call({ program: '/bin/true' })
    expect(rig.core.workloads.at(-1)).toEqual({
      program: '/bin/true',
      argv: null,
      env: null,
      cwd: null,
      user: null,
      stdio: null,
      sandbox: { network: null, seccomp: null, writable: null },
      limits: {
        runTimeMs: null,
        memoryBytes: null,
        pids: null,
        cpuSeconds: null,
        openFiles: null,
        outputBytes: null,
        cpuPercent: null,
        fileBytes: null,
      },
      devices: null,
      children: false,
      detach: false,
      files: [],
    })
    await call({
      program: '/p',
      argv: ['p', ''],
      env: { Z: '1', ['__proto__']: '2', A: '' },
      cwd: '/w',
      files: ['/f'],
      user: { uid: 0, gid: 5, groups: [6] },
      stdio: { stdin: 'STREAM_MODE_NULL', stdout: 'STREAM_MODE_PIPE', stderr: 'STREAM_MODE_PIPE' },
      sandbox: {
        network: 'NETWORK_LOOPBACK',
        writable: ['/t'],
        devices: ['gpu'],
        seccomp: 'SECCOMP_STRICT',
      },
      limits: {
        cpuSeconds: 0,
        memoryBytes: '9007199254740991',
        pids: 3,
        outputBytes: 0,
        cpuPercent: 50,
        fileBytes: 7,
      },
      children: true,
      detach: false,
    })
    expect(rig.core.workloads.at(-1)).toEqual({
      program: '/p',
      argv: ['p', ''],
      env: [
        { name: 'A', value: '' },
        { name: 'Z', value: '1' },
        { name: '__proto__', value: '2' },
      ],
      cwd: '/w',
      files: ['/f'],
      user: { uid: 0, gid: 5, groups: [6] },
      stdio: { stdin: 'null', stdout: 'pipe', stderr: 'pipe' },
      sandbox: { network: 'loopback', seccomp: 'strict', writable: ['/t'] },
      devices: ['gpu'],
      limits: {
        runTimeMs: null,
        memoryBytes: 9007199254740991,
        pids: 3,
        cpuSeconds: 0,
        openFiles: null,
        outputBytes: 0,
        cpuPercent: 50,
        fileBytes: 7,
      },
      children: true,
      detach: false,
    })
  })

  it.each<[string, object, string]>([
    ['no workload', {}, 'workload'],
    [
      'a limit beyond 2^53-1',
      { workload: { limits: { memoryBytes: '9007199254740992' } } },
      'workload.limits.memory_bytes',
    ],
    ['a network of a later version', { workload: { sandbox: { network: 99 } } }, 'workload.sandbox.network'],
    ['a profile of a later version', { workload: { sandbox: { seccomp: 99 } } }, 'workload.sandbox.seccomp'],
    ['one stream of three', { workload: { stdio: { stdin: 'STREAM_MODE_NULL' } } }, 'workload.stdio.stdout'],
    [
      'a stream mode of a later version',
      { workload: { stdio: { stdin: 9, stdout: 1, stderr: 1 } } },
      'workload.stdio.stdin',
    ],
  ])('are malformed with %s', async (_name, request, at) => {
    const error = await failure(client.call(api.execution.Authorize, { artifact: ARTIFACT, ...request }))
    expect(error).toMatchObject({ status: 'INVALID_ARGUMENT', faultCode: 'REQUEST_MALFORMED', at })
    expect(rig.core.callers).toHaveLength(0)
  })

  it('with an id that is none are malformed', async () => {
    for (const executionId of ['', 'AB'.repeat(16), `${ID}0`, '../../etc/passwd']) {
      expect(await failure(client.call(api.execution.Get, { executionId }))).toMatchObject({
        status: 'INVALID_ARGUMENT',
        at: 'execution_id',
      })
    }
  })

  it('for entries say which types and what to follow, strictly', async () => {
    const { lineage } = api
    for (const [request, at] of [
      [{ types: ['decision', 'Decision'] }, 'types'],
      [{ types: Array(65).fill('decision') }, 'types'],
      [{ follow: true, from: 0, to: 1 }, 'follow'],
    ] as const) {
      rig.core.entries.push({ index: 0n, bytes: Buffer.from('x'), owner: null })
      const call = client.read(lineage.ReadEntries, {
        ...request,
        types: [...('types' in request ? request.types : [])],
      })
      expect(await failure(call.next())).toMatchObject({ status: 'INVALID_ARGUMENT', at })
    }
    for (const since of ['2026-11-21', '2026-11-21T02:00:00Z', '2026-13-21T02:00:00.000Z', 'now']) {
      expect(await failure(client.call(lineage.LocateEntries, { since }))).toMatchObject({ at: 'since' })
    }
  })

  it('for entries get those of the types alone, then what is appended, to the end of the daemon', async () => {
    const { lineage } = api
    const entry = (type: string, n: number) => ({
      index: BigInt(n),
      bytes: Buffer.from(`{"time":"2026-11-21T02:00:0${n}.000Z","type":"${type}","v":1}`),
      owner: null,
    })
    rig.core.entries.push(entry('decision', 0), entry('appraisal', 1), entry('decision', 2))
    const got: string[] = []
    const following = (async () => {
      const types = ['decision']
      for await (const { index } of client.read(lineage.ReadEntries, { from: 1, types, follow: true }))
        got.push(index)
    })()
    await vi.waitFor(() => expect(got).toEqual(['2']))
    rig.core.entries.push(entry('appraisal', 3), entry('decision', 4))
    await vi.waitFor(() => expect(got).toEqual(['2', '4']))
    const span = { since: '2026-11-21T02:00:01.000Z', until: '2026-11-21T02:00:03.000Z' }
    expect(await client.call(lineage.LocateEntries, span)).toEqual({ from: '1', to: '4', size: '5' })
    await rig.server.close(10_000)
    await following
  })

  it('for positions that the lineage does not have are out of range', async () => {
    rig.core.entries.push({ index: 0n, bytes: Buffer.from('x'), owner: null })
    const { lineage } = api
    const calls = [
      client.read(lineage.ReadEntries, { from: 0, to: 2 }).next(),
      client.read(lineage.ReadEntries, { from: 2 }).next(),
      client.call(lineage.GetInclusionProof, { index: 1 }),
      client.call(lineage.GetInclusionProof, { index: 0, treeSize: 2 }),
      client.call(lineage.GetInclusionProof, { index: '18446744073709551615' }),
      client.call(lineage.GetConsistencyProof, { oldSize: 0 }),
      client.call(lineage.GetConsistencyProof, { oldSize: 1, newSize: 2 }),
      client.call(lineage.GetConsistencyProof, { oldSize: 2, newSize: 1 }),
    ]
    for (const call of calls) expect(await failure(call)).toMatchObject({ status: 'OUT_OF_RANGE' })
    expect((await client.call(lineage.GetConsistencyProof, { oldSize: 1 })).hashes).toHaveLength(1)
  })

  it('without an envelope change nothing', async () => {
    expect(await failure(client.call(api.governance.LoadPolicy, {}))).toMatchObject({ at: 'envelope' })
  })
})
