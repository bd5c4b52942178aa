import { readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { LauncherClient } from '../../daemon/launcher/client.ts'
import type { LaunchOrder } from '../../daemon/launcher/types.ts'
import { bootTimeNs, LeasePage } from '../../daemon/native.ts'
import { WritClient } from '../../proto/client.ts'
import { asUser, newId, SECOND, until, Writd } from '../native/host.ts'
import { exportAndVerify, ofType, processesWith, readLineage } from './audit.ts'
import { WRITD } from './governed-config.ts'
import { GovernedHost, NEEDS_ROOT } from './governed-host.ts'
import { KeptCall } from './kept-call.ts'

const SLOW = { timeout: 30_000 }

/** Between two runs of the daemon somebody is connected to the launcher who knows what it knows, and is believed by the launcher as it is. */
describe.skipIf(NEEDS_ROOT !== null)('what a taken-over daemon leaves under the ids of permits', () => {
  let host: GovernedHost
  const calls: KeptCall[] = []
  beforeAll(async () => {
    host = await GovernedHost.start({
      enrolled: true,
      config: { attestation: 'cycle_seconds = 1\nmax_evidence_age_seconds = 20' },
    })
  }, 120_000)
  afterAll(async () => {
    for (const call of calls) call.cancel()
    await host?.close()
  })

  const argvOf = (marker: string) => ['/bin/sh', '-c', 'sleep 1000; exit', marker]

  async function start(marker: string) {
    const path = await host.issue(`forged-${marker}`, argvOf(marker))
    const call = new KeptCall(host.socket, 'Execute', {
      start: { artifact: readFileSync(path), workload: { program: '/bin/sh', argv: argvOf(marker) } },
    } as never)
    calls.push(call)
    await expect.poll(() => call.first('started') ?? call.error, SLOW).toHaveProperty('epoch')
    await expect.poll(() => processesWith(marker).length, SLOW).toBe(1)
    const { executionId = '', epoch = '' } = call.first('started') ?? {}
    return { marker, executionId, epoch: BigInt(String(epoch)), pid: processesWith(marker)[0] }
  }

  let honest: Awaited<ReturnType<typeof start>>

  test('does not outlive the start of the next one, and what was permitted does', async () => {
    honest = await start('8100001')
    const [bytes, args, again] = [await start('8100002'), await start('8100003'), await start('8100004')]
    process.kill(host.daemonPid, 'SIGUSR2')
    expect(await host.stopDaemon()).toBe(0)

    const page = LeasePage.create(honest.epoch)
    page.renew(honest.epoch, bootTimeNs())
    const socket = host.path('launchd/launchd.sock')
    const hostile = new Writd(await asUser(WRITD.uid, () => LauncherClient.connect(socket, page)), page)
    const listed = async () => new Map((await hostile.client.list()).map(it => [it.executionId, it]))
    const permitted = await listed()
    expect([...permitted.values()].map(({ state }) => state)).toEqual(Array(4).fill('KEPT'))
    for (const { executionId } of [bytes, args, again]) {
      hostile.client.kill(executionId, 'TERMINATED')
      await hostile.ended(executionId)
      hostile.client.takeLastOutput(executionId)?.stdout?.destroy()
    }
    await until(() => [bytes, args, again].every(({ marker }) => processesWith(marker).length === 0))
    const forge = async (executionId: string, argv: string[], order: Partial<LaunchOrder> = {}) => {
      const made = await hostile.start(
        argv,
        {
          ...{ maxEvidenceAgeNs: 20n * SECOND, expiryBootNs: bootTimeNs() + 3600n * SECOND, unread: true },
          stdio: { stdin: 'pipe', stdout: 'pipe', stderr: 'pipe' },
          ...order,
        },
        executionId,
      )
      await hostile.client.keep(executionId, made.descriptors())
    }
    const unknown = { executionId: newId(), marker: '8100005' }
    await forge(bytes.executionId, ['/bin/sleep', bytes.marker])
    await forge(args.executionId, ['/bin/sh', '-c', 'sleep 1001; exit', args.marker])
    await forge(again.executionId, argvOf(again.marker))
    await forge(unknown.executionId, argvOf(unknown.marker))
    const forged = await listed()
    const same = ({ executionId }: { executionId: string }) =>
      forged.get(executionId)?.order === permitted.get(executionId)?.order
    // Of the last one everything is as it was permitted, but that the log's START names another process, and an END of that was never told.
    expect([honest, bytes, args, again].map(same)).toEqual([true, false, false, true])
    await hostile.client.leave()
    hostile.client.close()

    const all = [honest, bytes, args, again, unknown]
    const alive = () => all.map(({ marker }) => processesWith(marker).length)
    await expect.poll(alive).toEqual([1, 1, 1, 1, 1])
    await host.startDaemon()
    await host.attested()
    await expect.poll(alive, SLOW).toEqual([1, 0, 0, 0, 0])
    const client = new WritClient(host.socket)
    const said = async (type: 'adoption' | 'execution-end') =>
      ofType(await readLineage(client), type).map(({ event }) => [
        event.executionId,
        event.type === 'execution-end' ? event.cause : '',
      ])
    await expect.poll(() => said('adoption'), SLOW).toEqual([[honest.executionId, '']])
    const refused = [bytes, args, again].map(({ executionId }) => [executionId, 'NOT_AS_PERMITTED'])
    // Of what the log never knew there is nothing in it.
    expect((await said('execution-end')).toSorted()).toEqual(refused.toSorted())
    client.close()
    for (const { executionId } of [bytes, args, again])
      expect(host.daemonLog).toMatch(
        new RegExp(`"execution-not-as-permitted","executionId":"${executionId}"`),
      )
    expect(host.daemonLog).toMatch(/"executions-kept","executions":1,"refused":4/)
    expect(processesWith(honest.marker)).toEqual([honest.pid])
    expect(await host.ok('explain', again.executionId)).toContain('left something else than was permitted')
    expect(await exportAndVerify(host, 'bundle')).toMatch(/1 adoptions/)
  }, 90_000)

  test('lives no longer without evidence than the configuration of the run that adopted it says', async () => {
    process.kill(host.daemonPid, 'SIGUSR2')
    expect(await host.stopDaemon()).toBe(0)
    const config = readFileSync(host.path('writd.toml'), 'utf8')
    writeFileSync(
      host.path('writd.toml'),
      config.replace('max_evidence_age_seconds = 20', 'max_evidence_age_seconds = 4'),
    )
    await host.startDaemon()
    await host.attested()
    const client = new WritClient(host.socket)
    const adoptions = async () => ofType(await readLineage(client), 'adoption').length
    await expect.poll(adoptions, SLOW).toBe(2)
    client.close()
    expect(processesWith(honest.marker)).toEqual([honest.pid])
    // Nobody but its supervisor looks now.
    process.kill(host.daemonPid, 'SIGSTOP')
    try {
      await expect.poll(() => processesWith(honest.marker), { timeout: 8_000 }).toEqual([])
    } finally {
      process.kill(host.daemonPid, 'SIGCONT')
    }
  }, 60_000)
})
