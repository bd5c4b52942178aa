import { afterEach, beforeEach, describe, expect, it } from 'vitest'
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

/** A server that takes this process for somebody without a role, or with every role. */
async function start(role: 'nobody' | 'all'): Promise<void> {
  const has = role === 'all'
  rig = await startRig({ listen: { roles: () => ({ governor: has, auditor: has }) } })
  client = rig.client()
}

/** An execution as another uid has it. */
function foreign(executionId = ID) {
  rig.core.executions.set(executionId, {
    executionId,
    callerUid: 4242,
    parentExecutionId: '',
    state: 'EXECUTION_STATE_RUNNING',
  })
}

afterEach(() => rig.stop())

describe('whoever is neither governor nor auditor', () => {
  beforeEach(() => start('nobody'))

  it('changes nothing, whatever it brings', async () => {
    const { governance } = api
    const envelope = Buffer.from('{}')
    const calls = [
      client.call(governance.LoadPolicy, { envelope }),
      client.call(governance.LoadHostLabels, { envelope }),
      client.call(governance.LoadTrustRoots, { envelope }),
      client.call(governance.LoadReferenceValues, { envelope }),
      client.call(governance.LoadSecretPolicy, { envelope }),
      client.call(governance.Revoke, { envelope }),
      client.call(governance.ClearFailure, { envelope }),
      client.call(governance.SetLogLevel, { level: 'LOG_LEVEL_DEBUG', seconds: 60 }),
      client.call(governance.ListRevocations, {}),
    ]
    for (const call of calls) {
      expect(await failure(call)).toMatchObject({ status: 'PERMISSION_DENIED', faultCode: 'NOT_ALLOWED' })
    }
  })

  it("gets receipts of its own executions, and cannot tell another's from one that is not there", async () => {
    foreign()
    rig.core.executions.set('1'.repeat(32), {
      ...{ executionId: '1'.repeat(32), callerUid: process.getuid?.() ?? 0, parentExecutionId: '' },
      state: 'EXECUTION_STATE_ENDED',
    })
    const own = await client.receipt({ executionId: '1'.repeat(32), decisionIndex: 3 })
    expect(own.toString().startsWith(`${'1'.repeat(32)} 3 false `)).toBe(true)
    for (const executionId of [ID, 'cd'.repeat(16)])
      expect(await failure(client.receipt({ executionId }))).toMatchObject({ status: 'NOT_FOUND' })
  })

  it("neither sees nor ends another's execution, and cannot tell it from one that is not there", async () => {
    foreign()
    const { execution } = api
    for (const executionId of [ID, 'cd'.repeat(16)]) {
      for (const method of [execution.Get, execution.Terminate] as const) {
        const error = await failure(client.call<object, object>(method, { executionId }))
        expect(error).toMatchObject({ status: 'NOT_FOUND', faultCode: 'NOT_FOUND' })
        expect(error.message).toBe(`execution ${executionId} not found`)
      }
      const watch = client.read(execution.Watch, { executionId })
      expect(await failure(watch.next())).toMatchObject({ status: 'NOT_FOUND' })
    }
    expect((await client.call(execution.List, { includeEnded: true })).executions).toEqual([])
    expect(rig.core.controllers.size).toBe(0)
  })

  it("does not get another's changes", async () => {
    const seen: string[] = []
    const stop = new AbortController()
    const watching = (async () => {
      for await (const { execution } of client.read(api.execution.Watch, {}, { signal: stop.signal })) {
        seen.push(execution?.executionId ?? '')
        if (seen.length === 2) stop.abort()
      }
    })().catch(() => {})
    const publish = (executionId: string, callerUid: number) => {
      const execution = { executionId, callerUid, parentExecutionId: '' }
      rig.core.executions.set(executionId, execution)
      rig.core.changes.publish(executionId, execution)
    }
    const me = process.geteuid?.() ?? -1
    for (let i = 0; seen.length < 1 && i < 100; i++) {
      publish('first', me)
      await new Promise(resolve => setTimeout(resolve, 10))
    }
    publish('foreign', 4242)
    publish('last', me)
    await watching
    expect(seen.filter(id => id === 'foreign')).toEqual([])
    expect(seen.at(-1)).not.toBe('foreign')
  })

  it("reads its own entries of the lineage, not another's and nobody's; no blob; no fresh checkpoint", async () => {
    const { lineage } = api
    await client.call(api.execution.Authorize, { artifact: ARTIFACT, workload: {} })
    const mine = rig.core.entries[0]?.owner ?? null
    // What an execution of its own asked for is its own too.
    rig.core.entries.push(
      { index: 1n, bytes: Buffer.from('b'), owner: { callerUid: 4242, ancestors: [] } },
      { index: 2n, bytes: Buffer.from('c'), owner: null },
      { index: 3n, bytes: Buffer.from('d'), owner: { callerUid: 4242, ancestors: [ID] } },
      { index: 4n, bytes: Buffer.from('e'), owner: mine && { ...mine, ancestors: [ID] } },
    )
    const indexes: string[] = []
    for await (const entry of client.read(lineage.ReadEntries, {})) indexes.push(entry.index)
    expect(indexes).toEqual(['0', '4'])
    await client.call(lineage.GetInclusionProof, { index: 0 })
    for (const index of [1, 2, 3]) {
      expect(await failure(client.call(lineage.GetInclusionProof, { index }))).toMatchObject({
        status: 'NOT_FOUND',
      })
    }
    rig.core.blobs.set('0'.repeat(64), Buffer.from('evidence'))
    const blob = client.read(lineage.GetBlob, { digest: '0'.repeat(64) })
    expect(await failure(blob.next())).toMatchObject({ status: 'PERMISSION_DENIED' })
    expect(await failure(client.call(lineage.GetCheckpoint, { fresh: true }))).toMatchObject({
      status: 'PERMISSION_DENIED',
    })
    expect((await client.call(lineage.GetCheckpoint, {})).size).toBe('5')
  })
})

describe('an execution, on its own socket', () => {
  const served = async () => {
    await start('nobody')
    const acceptor = await rig.server.listen({
      path: `${rig.directory}/children/a.sock`,
      access: 'owner',
      parentExecution: ID,
      roles: () => ({ governor: true, auditor: true }),
      refuse: () => null,
    })
    const { WritClient } = await import('../../../proto/client.ts')
    return new WritClient(acceptor.path)
  }

  it('sees what is below it, not what its uid did elsewhere', async () => {
    const inside = await served()
    const callerUid = process.getuid?.() ?? 0
    const make = (digit: string, parentExecutionId: string) => {
      const executionId = digit.repeat(32)
      rig.core.executions.set(executionId, { executionId, callerUid, parentExecutionId })
      return executionId
    }
    const [own, elsewhere, other] = [make('1', ID), make('2', ''), make('3', 'b'.repeat(32))]
    const { executions } = await inside.call(api.execution.List, {})
    expect(executions.map(({ executionId }) => executionId)).toEqual([own])
    for (const executionId of [elsewhere, other])
      for (const method of ['Get', 'Terminate'] as const)
        expect(await failure(inside.call(api.execution[method], { executionId }))).toMatchObject({
          status: 'NOT_FOUND',
        })
    inside.close()
  })

  it('is served the executions and nothing else, whatever its uid may elsewhere', async () => {
    const inside = await served()
    for (const [name, methods] of Object.entries(api)) {
      for (const method of Object.values(methods).filter(({ path }) => path !== undefined)) {
        if (name === 'execution') continue
        const refused = method.responseStream
          ? inside.read(method as never, {}).next()
          : inside.call(method as never, {})
        expect(await failure(refused), method.path).toMatchObject({
          ...{ status: 'PERMISSION_DENIED', faultCode: 'NOT_ALLOWED' },
        })
      }
    }
    inside.close()
  })
})

describe('governors and auditors', () => {
  beforeEach(() => start('all'))

  it('change policy, and see everything', async () => {
    foreign()
    const { governance, execution, lineage } = api
    const loaded = await client.call(governance.LoadPolicy, { envelope: Buffer.from('policy') })
    expect(loaded).toEqual({ digest: expect.stringMatching(/^[0-9a-f]{64}$/), lineageIndex: '7' })
    expect((await client.call(governance.Revoke, { envelope: Buffer.from('r') })).epoch).toBe('2')
    expect((await client.call(governance.ListRevocations, {})).epoch).toBe('2')
    expect((await client.call(governance.ClearFailure, { envelope: Buffer.from('c') })).lineageIndex).toBe(
      '9',
    )
    expect((await client.call(execution.Get, { executionId: ID })).execution?.callerUid).toBe(4242)
    rig.core.entries.push({ index: 0n, bytes: Buffer.from('x'), owner: null })
    const got: Buffer[] = []
    for await (const { entry } of client.read(lineage.ReadEntries, {})) got.push(entry)
    expect(Buffer.concat(got).toString()).toBe('x')
  })

  it('get a receipt in pieces, of any execution', async () => {
    foreign()
    const file = await client.receipt({ executionId: ID, decisionIndex: 7 })
    expect(file.length).toBeGreaterThan(1 << 20)
    expect(file.toString().startsWith(`${ID} 7 true `)).toBe(true)
    expect((await client.receipt({ executionId: ID })).toString().startsWith(`${ID} null true `)).toBe(true)
    const malformed = client.receipt({ executionId: 'x' })
    expect(await failure(malformed)).toMatchObject({ faultCode: 'REQUEST_MALFORMED', at: 'execution_id' })
  })

  it('get a large blob in pieces, and an empty one', async () => {
    const read = async (digest: string) => {
      const pieces: Buffer[] = []
      for await (const { chunk } of client.read(api.lineage.GetBlob, { digest })) pieces.push(chunk)
      return { bytes: Buffer.concat(pieces), pieces: pieces.length }
    }
    const blob = Buffer.alloc(1_000_000, 7)
    rig.core.blobs.set('1'.repeat(64), blob).set('2'.repeat(64), Buffer.alloc(0))
    const large = await read('1'.repeat(64))
    expect(large.bytes.equals(blob)).toBe(true)
    expect(large.pieces).toBeGreaterThan(1)
    expect((await read('2'.repeat(64))).bytes).toHaveLength(0)
    expect(await failure(read('3'.repeat(64)))).toMatchObject({ status: 'NOT_FOUND' })
    expect(await failure(read('nonsense'))).toMatchObject({ faultCode: 'REQUEST_MALFORMED', at: 'digest' })
  })

  it('page through executions', async () => {
    const ids = Array.from({ length: 5 }, (_, i) => `${i}`.repeat(32))
    for (const id of ids) foreign(id)
    const seen: string[] = []
    let pageToken = ''
    do {
      const page = await client.call(api.execution.List, { pageSize: 2, pageToken })
      expect(page.executions.length).toBeLessThanOrEqual(2)
      seen.push(...page.executions.map(e => e.executionId))
      pageToken = page.nextPageToken
    } while (pageToken !== '')
    expect(seen).toEqual(ids.toReversed())
    expect(await failure(client.call(api.execution.List, { pageSize: 1001 }))).toMatchObject({
      at: 'page_size',
    })
  })
})

describe('attestation', () => {
  beforeEach(() => start('nobody'))

  it('is told to everybody, and its changes too', async () => {
    const { status } = await client.call(api.attestation.GetStatus, {})
    expect(status).toMatchObject({ state: 'GATE_STATE_ATTESTED', tier: 'TPM_TIER_SIMULATED' })
    expect(status?.evidenceAgeMs).toBeUndefined()
    const states: string[] = []
    for await (const { status } of client.read(api.attestation.WatchStatus, {})) {
      states.push(status?.state ?? '')
      if (states.length === 2) break
      rig.core.statusChanges.publish('', { state: 'GATE_STATE_STALE' })
    }
    expect(states).toEqual(['GATE_STATE_ATTESTED', 'GATE_STATE_STALE'])
  })

  it('carries a report with megabytes of logs, over exactly the nonce', async () => {
    const nonce = Buffer.alloc(32, 5)
    const report = await client.report({ nonce, knownImaEntries: 7 })
    const large = Buffer.alloc(8 * 1024 * 1024, 7)
    const whole = Buffer.concat([nonce, Buffer.from('attest'), large, Buffer.from('end')])
    expect(report.equals(whole)).toBe(true)
    await expect(client.report({ nonce }, { maxBytes: 1 << 20 })).rejects.toMatchObject({ code: 'TOO_LARGE' })
    for (const length of [0, 31, 33]) {
      expect(await failure(client.report({ nonce: Buffer.alloc(length) }))).toMatchObject({
        status: 'INVALID_ARGUMENT',
        at: 'nonce',
      })
    }
  })
})

describe('the log level', () => {
  it('is set by a governor for a time that has an end, and taken back', async () => {
    await start('all')
    const { SetLogLevel } = api.governance
    const set = await client.call(SetLogLevel, { level: 'LOG_LEVEL_DEBUG', seconds: 600 })
    expect(set).toMatchObject({ level: 'LOG_LEVEL_DEBUG', configured: 'LOG_LEVEL_INFO' })
    expect(Math.abs(Date.parse(set.untilTime) - Date.now() - 600_000)).toBeLessThan(10_000)
    expect(await client.call(SetLogLevel, {})).toEqual({
      ...{ level: 'LOG_LEVEL_INFO', configured: 'LOG_LEVEL_INFO', untilTime: '' },
    })
    for (const request of [
      { level: 'LOG_LEVEL_DEBUG', seconds: 0 },
      { level: 'LOG_LEVEL_DEBUG', seconds: 86_401 },
      { level: 'LOG_LEVEL_UNSPECIFIED', seconds: 1 },
      { level: 9 as never, seconds: 1 },
    ] as const)
      expect(await failure(client.call(SetLogLevel, request))).toMatchObject({
        status: 'INVALID_ARGUMENT',
        faultCode: 'REQUEST_MALFORMED',
      })
  })
})
