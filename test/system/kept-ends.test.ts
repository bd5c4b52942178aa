import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { Client, credentials } from '@grpc/grpc-js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { api, WritClient } from '../../proto/client.ts'
import { exportAndVerify, processesWith } from './audit.ts'
import { type GovernedHost, NEEDS_ROOT } from './governed-host.ts'
import { RestartedDaemon, SLOW } from './restarted-daemon.ts'

describe.skipIf(NEEDS_ROOT !== null)('what does not go on, over a restart of the daemon', () => {
  let daemon: RestartedDaemon
  let host: GovernedHost
  beforeAll(async () => {
    daemon = await RestartedDaemon.make()
    host = daemon.host
  }, 120_000)
  afterAll(() => daemon?.close())

  test('a plain stop ends it as ever', async () => {
    const it = await daemon.execute('sleep 1000')
    expect(await host.stopDaemon()).toBe(0)
    expect(processesWith(it.marker)).toEqual([])
    await daemon.next()
    expect(await daemon.endOf(it.executionId)).toMatchObject({ cause: 'DAEMON' })
    await it.call.over
    expect(it.call.first('ended')).toMatchObject({ cause: 'END_CAUSE_SHUTDOWN' })
  }, 60_000)

  test('the daemon is killed: nothing is kept, and all of it ends', async () => {
    const it = await daemon.execute('sleep 1000')
    await host.stopDaemon('SIGKILL')
    await host.startDaemon()
    await expect.poll(() => processesWith(it.marker), SLOW).toEqual([])
    await host.attested()
    expect(await daemon.endOf(it.executionId)).toMatchObject({ cause: 'SUPERSEDED' })
  }, 60_000)

  test('without evidence before its old lease is over it dies, and its caller hears how', async () => {
    const it = await daemon.execute('echo last; sleep 1000')
    await expect.poll(() => String(it.call.output)).toBe('last\n')
    await daemon.stopForRestart()
    expect(processesWith(it.marker)).toEqual([it.pid])
    host.tpm.hang()
    try {
      await expect.poll(() => processesWith(it.marker), SLOW).toEqual([])
    } finally {
      host.tpm.resume()
    }
    await daemon.next()
    expect(await daemon.endOf(it.executionId)).toMatchObject({ cause: 'LEASE', signal: 9 })
    const late = daemon.attach(it)
    expect(await late.over).toBe(null)
    expect(late.first('ended')).toMatchObject({ cause: 'END_CAUSE_ATTESTATION_STALE' })
  }, 60_000)

  test('what is revoked once the daemon is back is killed, adopted or not', async () => {
    const it = await daemon.execute('sleep 1000')
    await daemon.stopForRestart()
    await host.startDaemon()
    await host.ok('revoke', '--execution', it.executionId, '--key', host.path('operator.key'))
    await expect.poll(() => processesWith(it.marker), SLOW).toEqual([])
    await host.attested()
    await expect.poll(() => daemon.endOf(it.executionId), SLOW).toMatchObject({ cause: 'REVOKED' })
  }, 60_000)

  test('what is revoked while the daemon that handed it over still goes is killed by the next, which asks nobody', async () => {
    const it = await daemon.execute('sleep 1004')
    const other = await daemon.execute('sleep 1005')
    const [out, key] = [host.path('late-revocation.json'), host.path('operator.key')]
    const { epoch } = JSON.parse(await host.ok('revoke', '--list', '--json'))
    const sign = ['--key', key, '--epoch', String(Number(epoch) + 1), '--out', out]
    await host.ok('revoke', '--execution', it.executionId, ...sign)
    // A call that has begun, whose request comes when nothing is ordered of the launcher any more.
    const { path, requestSerialize, responseDeserialize } = api.governance.Revoke
    const client = new Client(`unix:${host.socket}`, credentials.createInsecure())
    const answer = Promise.withResolvers<string[]>()
    const call = client.makeClientStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      (error, response) => (error ? answer.reject(error) : answer.resolve(response?.executionIds ?? [])),
    )
    // One after it on the same connection: it has arrived.
    const { requestSerialize: ask, responseDeserialize: hear } = api.attestation.GetStatus
    await new Promise(resolve =>
      client.makeUnaryRequest(api.attestation.GetStatus.path, ask, hear, {}, resolve),
    )
    const handedOver = () => host.daemonLog.split('"executions-handed-over"').length
    const before = handedOver()
    process.kill(host.daemonPid, 'SIGUSR2')
    const stopped = host.stopDaemon()
    await expect.poll(handedOver, { interval: 5 }).toBe(before + 1)
    call.write({ envelope: readFileSync(out) })
    call.end()
    expect(await answer.promise).toEqual([it.executionId])
    expect(await stopped).toBe(0)
    client.close()
    expect([processesWith(it.marker).length, processesWith(other.marker).length]).toEqual([1, 1])
    await daemon.next()
    await expect.poll(() => daemon.endOf(it.executionId), SLOW).toMatchObject({ cause: 'REVOKED' })
    const decided = (await daemon.entries('renewal')).filter(
      ({ executionId }) => executionId === it.executionId,
    )
    expect(decided).toEqual([])
    await expect
      .poll(
        async () =>
          (await daemon.entries('adoption')).some(({ executionId }) => executionId === other.executionId),
        SLOW,
      )
      .toBe(true)
    await host.ok('terminate', other.executionId)
  }, 60_000)

  const runs = () => host.daemonLog.split('"executions-kept"').length

  /** The next run, whose evidence does not come: the TPM hangs. If that was too late, again. */
  async function startWithoutEvidence(): Promise<void> {
    for (let tries = 0; tries < 5; tries++) {
      await daemon.stopForRestart()
      const before = runs()
      const timer = setInterval(() => runs() > before && host.tpm.hang(), 1)
      await host.startDaemon().finally(() => clearInterval(timer))
      host.tpm.hang()
      // What the TPM had signed by then is appraised in no time.
      await new Promise(resolve => setTimeout(resolve, 300))
      if ((await host.status()).state !== 'ATTESTED') return
      host.tpm.resume()
      await host.attested()
    }
    throw new Error('there was always evidence first')
  }

  async function forbid(): Promise<void> {
    mkdirSync(host.path('forbidding'))
    writeFileSync(host.path('forbidding/all.cedar'), 'permit (principal, action, resource);\n')
    writeFileSync(
      host.path('forbidding/some.cedar'),
      'forbid (principal, action, resource) when { context.request.argv.contains("sleep 1001") };\n',
    )
    const [key, out] = [host.path('operator.key'), host.path('forbidding.json')]
    const bundle = ['policy', 'sign', host.path('forbidding'), '--version', '2', '--valid', 'any']
    await host.ok(...bundle, '--key', key, '--out', out)
    await host.ok('policy', 'load', out)
  }

  test.each(['REVOKED', 'DENIED'])(
    'what is %s before there is evidence is never adopted',
    async cause => {
      const it = await daemon.execute('sleep 1001')
      const other = await daemon.execute('sleep 1002')
      const adoptions = async (of: string) =>
        (await daemon.entries('adoption')).filter(({ executionId }) => executionId === of).length
      let before: number
      try {
        await startWithoutEvidence()
        before = await adoptions(it.executionId)
        const client = new WritClient(host.socket)
        const { executions } = await client.call(api.execution.List, {})
        client.close()
        expect(executions.map(({ state }) => state)).toEqual(['EXECUTION_STATE_KEPT', 'EXECUTION_STATE_KEPT'])
        expect(processesWith(it.marker)).toEqual([it.pid])
        if (cause === 'DENIED') await forbid()
        else await host.ok('revoke', '--execution', it.executionId, '--key', host.path('operator.key'))
        // A revocation waits for nothing; what a policy says is asked when there is evidence.
        if (cause === 'REVOKED') await expect.poll(() => processesWith(it.marker), SLOW).toEqual([])
        expect((await host.status()).state).not.toBe('ATTESTED')
      } finally {
        host.tpm.resume()
      }
      await host.attested()
      await expect.poll(() => processesWith(it.marker), SLOW).toEqual([])
      await expect.poll(() => daemon.endOf(it.executionId), SLOW).toMatchObject({ cause })
      await expect.poll(() => adoptions(other.executionId), SLOW).toBe(before + 1)
      expect(await adoptions(it.executionId)).toBe(before)
      expect(processesWith(other.marker)).toEqual([other.pid])
      await host.ok('terminate', other.executionId)
    },
    60_000,
  )

  test('the lineage of all that verifies', async () => {
    expect(await exportAndVerify(host, 'bundle')).toMatch(/[0-9]+ hand-overs, [0-9]+ adoptions/)
  }, 60_000)
})
