import { existsSync } from 'node:fs'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { api } from '../../../proto/client.ts'
import { type Rig, startRig } from './rig.ts'

const ARTIFACT = Buffer.from('{}')
let rig: Rig
beforeEach(async () => {
  rig = await startRig()
})
afterEach(() => rig.stop())

async function timed(promise: Promise<unknown>): Promise<number> {
  const begin = performance.now()
  await promise
  return performance.now() - begin
}

describe('a server that stops', () => {
  it('ends watches at once, without waiting for the grace time', async () => {
    const client = rig.client()
    const watches = [client.read(api.attestation.WatchStatus, {}), client.read(api.execution.Watch, {})]
    await watches[0]?.next()
    const ends = watches.map(async watch => {
      for await (const _ of watch);
    })
    await sleep(100)
    expect(await timed(rig.server.close(10_000))).toBeLessThan(3000)
    await Promise.all(ends)
  })

  it('lets a workload finish within the grace time', async () => {
    const call = rig.client().executeCall({
      artifact: ARTIFACT,
      workload: { program: '/bin/sh', argv: ['sh', '-c', 'sleep 0.5; echo done'] },
    })
    await call.answers.next()
    const closing = rig.server.close(10_000)
    const answers = []
    for await (const answer of call.answers) answers.push(answer)
    expect(answers.at(-1)?.ended?.exitCode).toBe(0)
    await closing
  })

  it('ends what goes on longer', async () => {
    const call = rig.client().executeCall({
      artifact: ARTIFACT,
      workload: { program: '/bin/sleep', argv: ['sleep', '60'] },
    })
    const id = (await call.answers.next()).value?.started?.executionId ?? ''
    expect(await timed(rig.server.close(300))).toBeLessThan(3000)
    for (let i = 0; i < 100 && rig.core.getExecution(id)?.end == null; i++) await sleep(20)
    expect(rig.core.getExecution(id)?.end?.cause).toBe('END_CAUSE_CALLER_GONE')
    await expect(call.answers.next()).rejects.toMatchObject({ status: expect.any(String) })
  })

  it('cuts connections that say nothing, and leaves no socket', async () => {
    const silent = connect(rig.socket)
    silent.on('error', () => {})
    silent.resume()
    const closed = new Promise(resolve => silent.once('close', resolve))
    await sleep(100)
    expect(await timed(rig.server.close(200))).toBeLessThan(3000)
    await closed
    expect(existsSync(rig.socket)).toBe(false)
    expect(rig.acceptor.connections).toBe(0)
  })

  it('accepts nobody from then on', async () => {
    await rig.client().call(api.attestation.GetStatus, {})
    await rig.server.close(100)
    await expect(rig.client().call(api.attestation.GetStatus, {})).rejects.toMatchObject({
      code: 'UNAVAILABLE',
    })
  })

  it('can be told to stop twice', async () => {
    await Promise.all([rig.server.close(100), rig.server.close(100)])
  })
})
