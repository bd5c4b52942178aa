import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { api, type CallError, type ExecuteCall } from '../../../proto/client.ts'
import type { ExecuteResponse } from '../../../proto/generated/writ/v1/ExecuteResponse.ts'
import { type Rig, startRig } from './rig.ts'

const ARTIFACT = Buffer.from('{}')

/** Everything that came, or the error. */
async function collect(
  call: ExecuteCall,
): Promise<{ out: Buffer; err: Buffer; last: ExecuteResponse | undefined }> {
  const out: Buffer[] = []
  const err: Buffer[] = []
  let last: ExecuteResponse | undefined
  for await (const answer of call.answers) {
    if (answer.message === 'stdout' && answer.stdout) out.push(answer.stdout)
    if (answer.message === 'stderr' && answer.stderr) err.push(answer.stderr)
    last = answer
  }
  return { out: Buffer.concat(out), err: Buffer.concat(err), last }
}

async function until(what: () => boolean): Promise<void> {
  for (let i = 0; i < 500 && !what(); i++) await sleep(10)
  expect(what()).toBe(true)
}

describe('Execute', () => {
  let rig: Rig
  beforeEach(async () => {
    rig = await startRig()
  })
  afterEach(() => rig.stop())

  it('carries standard streams and the exit status', async () => {
    const call = rig.client().executeCall({
      artifact: ARTIFACT,
      workload: {
        program: '/bin/sh',
        argv: ['sh', '-c', 'cat; printf "$WHO" >&2; exit 7'],
        env: { WHO: 'me' },
      },
    })
    await call.stdin(Buffer.from('first '))
    await call.stdin(Buffer.from('second'))
    call.endStdin()
    const { out, err, last } = await collect(call)
    expect(out.toString()).toBe('first second')
    expect(err.toString()).toBe('me')
    expect(last?.ended).toMatchObject({ cause: 'END_CAUSE_EXIT', exitCode: 7, confirmedDead: true })
    expect(last?.ended?.signal).toBeUndefined()
  })

  it('carries megabytes both ways, unchanged and in order', async () => {
    const bytes = Buffer.alloc(5_000_000)
    for (let i = 0; i < bytes.length; i += 4) bytes.writeUInt32LE(i, i)
    const call = rig.client().executeCall({ artifact: ARTIFACT, workload: { program: '/bin/cat' } })
    const collected = collect(call)
    await call.stdin(bytes)
    call.endStdin()
    expect((await collected).out.equals(bytes)).toBe(true)
  })

  it('says every reason of a denial, with the place of the decision', async () => {
    const error: CallError = await collect(
      rig.client().executeCall({ workload: { program: '/bin/true' } }),
    ).then(
      () => expect.fail('permitted'),
      error => error,
    )
    expect(error.code).toBe('DENIED')
    expect(error.status).toBe('PERMISSION_DENIED')
    expect(error.reasons).toEqual([{ code: 'ARTIFACT_MISSING', message: 'no artifact came with it' }])
    expect(error.decisionIndex).toBe(0n)
  })

  it('stops reading the output of a workload whose caller does not read', async () => {
    const call = rig.client().executeCall({
      artifact: ARTIFACT,
      workload: { program: '/bin/sh', argv: ['sh', '-c', 'exec cat /dev/zero'] },
    })
    await call.answers.next()
    await sleep(300)
    const held = rig.core.outputRead
    await sleep(700)
    // HTTP/2 windows, socket buffers, and 16 messages of 64 KiB either side.
    expect(rig.core.outputRead).toBe(held)
    expect(held).toBeLessThan(8 * 1024 * 1024)
    // And goes on when the caller does.
    for (let i = 0; i < 200; i++) await call.answers.next()
    await until(() => rig.core.outputRead > held)
    call.cancel()
    await expect(collect(call)).rejects.toMatchObject({ code: 'CANCELLED' })
  })

  it('holds back a caller whose workload does not read', async () => {
    const call = rig.client().executeCall({
      artifact: ARTIFACT,
      workload: { program: '/bin/sleep', argv: ['sleep', '60'] },
    })
    await call.answers.next()
    let sent = 0
    const chunk = Buffer.alloc(64 * 1024)
    const sending = (async () => {
      for (let i = 0; i < 2000; i++) {
        await call.stdin(chunk)
        sent += chunk.length
      }
    })()
    await sleep(700)
    const held = sent
    await sleep(500)
    expect(sent).toBe(held)
    expect(held).toBeLessThan(16 * 1024 * 1024)
    call.cancel()
    await collect(call).catch(() => {})
    await sending
  })

  it('ends the execution when the call is cancelled, and when the connection is lost', async () => {
    for (const leave of ['cancel', 'disconnect'] as const) {
      const client = rig.client()
      const call = client.executeCall({
        artifact: ARTIFACT,
        workload: { program: '/bin/sleep', argv: ['sleep', '60'] },
      })
      const started = await call.answers.next()
      const id = started.value?.started?.executionId ?? ''
      if (leave === 'cancel') call.cancel()
      else rig.acceptor.disconnect()
      await until(() => rig.core.getExecution(id)?.state === 'EXECUTION_STATE_ENDED')
      expect(rig.core.getExecution(id)?.end?.cause).toBe('END_CAUSE_CALLER_GONE')
      await collect(call).catch(() => {})
    }
  })

  it('ends the execution at the deadline of the call', async () => {
    const call = rig
      .client()
      .executeCall(
        { artifact: ARTIFACT, workload: { program: '/bin/sleep', argv: ['sleep', '60'] } },
        { deadlineMs: 700 },
      )
    const id = (await call.answers.next()).value?.started?.executionId ?? ''
    await expect(collect(call)).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' })
    await until(() => rig.core.getExecution(id)?.state === 'EXECUTION_STATE_ENDED')
    expect(rig.core.getExecution(id)?.end?.cause).toBe('END_CAUSE_CALLER_GONE')
  })

  it('is ended by Terminate, and both calls say so', async () => {
    const client = rig.client()
    const call = client.executeCall({
      artifact: ARTIFACT,
      workload: { program: '/bin/sleep', argv: ['sleep', '60'] },
    })
    const executionId = (await call.answers.next()).value?.started?.executionId ?? ''
    const { execution } = await client.call(api.execution.Terminate, { executionId })
    expect(execution?.state).toBe('EXECUTION_STATE_ENDED')
    expect((await collect(call)).last?.ended).toMatchObject({ cause: 'END_CAUSE_TERMINATED', signal: 9 })
  })

  it('refuses a call that does not begin with start, or goes on with another', async () => {
    const { Client, credentials } = await import('@grpc/grpc-js')
    const raw = new Client(`unix:${rig.socket}`, credentials.createInsecure())
    const method = api.execution.Execute
    const open = () =>
      raw.makeBidiStreamRequest(method.path, method.requestSerialize, method.responseDeserialize)
    const statusOf = (call: ReturnType<typeof open>) =>
      new Promise<number>(resolve => {
        call.on('error', () => {})
        call.on('data', () => {})
        call.on('status', status => resolve(status.code))
      })

    const noStart = open()
    noStart.write({ stdin: Buffer.from('x') })
    expect(await statusOf(noStart)).toBe(3)
    const nothing = open()
    nothing.end()
    expect(await statusOf(nothing)).toBe(3)
    const twice = open()
    twice.write({ start: { artifact: ARTIFACT, workload: { program: '/bin/cat' } } })
    twice.write({ start: { artifact: ARTIFACT, workload: { program: '/bin/cat' } } })
    const result = statusOf(twice)
    await until(() => [...rig.core.executions.values()].some(e => e.state === 'EXECUTION_STATE_ENDED'))
    expect(await result).toBe(3)
    const large = open()
    large.write({ start: { artifact: ARTIFACT, workload: { program: '/bin/cat' } } })
    large.write({ stdin: Buffer.alloc(300 * 1024) })
    expect(await statusOf(large)).toBe(3)
    raw.close()
  })

  it('turns an internal fault into a denial that says nothing of the inside', async () => {
    rig.core.failWith = new Error('/secret/path exploded')
    const error: CallError = await collect(
      rig.client().executeCall({ artifact: ARTIFACT, workload: { program: '/bin/true' } }),
    ).then(
      () => expect.fail('permitted'),
      error => error,
    )
    expect(error.reasons.map(r => r.code)).toEqual(['INTERNAL'])
    expect(JSON.stringify(error.reasons) + error.message).not.toContain('secret')
    expect(rig.errors).toHaveLength(1)
  })
})
