import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { WritClient } from '../../proto/client.ts'
import { childrenOf, holdingOf } from '../support/processes.ts'
import { issuerLike } from '../system/artifacts.ts'
import { GovernedHost, NEEDS_ROOT } from '../system/governed-host.ts'

const EXECUTIONS = Number(process.env.WRIT_EXECUTIONS ?? 50_000)
const AT_ONCE = 200
/** A connection carries at most a hundred calls (rpc.max_calls_per_connection). */
const CALLS_PER_CLIENT = 50
const EVERY = Math.max(100, Math.floor(EXECUTIONS / 50))

interface Sample {
  readonly done: number
  readonly seconds: number
  readonly writd: { kib: number; descriptors: number }
  readonly launchd: { kib: number; descriptors: number }
}

/** What the whole suite has in small, as test/native/soak.test.ts and test/system/faults.test.ts. */
describe.skipIf(NEEDS_ROOT !== null || process.env.WRIT_SOAK !== '1')(
  `${EXECUTIONS} executions, ${AT_ONCE} at once (needs root, and WRIT_SOAK=1)`,
  () => {
    let host: GovernedHost
    beforeAll(async () => {
      host = await GovernedHost.start({
        config: {
          quota: 'requests_per_second = 100000\nrequest_burst = 100000\ncalls = 1000',
          attestation: 'cycle_seconds = 5\nmax_evidence_age_seconds = 60',
        },
      })
    }, 600_000)
    afterAll(() => host?.close())

    test('take no memory, no descriptor and no cgroup with them', { timeout: 7_200_000 }, async () => {
      const issue = issuerLike(host, await host.issue('true', ['/bin/true']))
      const artifact = issue()
      const clients = Array.from({ length: AT_ONCE / CALLS_PER_CLIENT }, () => new WritClient(host.socket))
      const from = performance.now()
      const samples: Sample[] = []
      const ends = new Map<string, number>()
      let [begun, done] = [0, 0]

      const sample = () => {
        const [writd, launchd] = [host.daemonPid, host.launcherPid].map(pid => {
          const { kib, descriptors } = holdingOf(pid)
          return { kib, descriptors }
        }) as [Sample['writd'], Sample['launchd']]
        samples.push({ done, seconds: Math.round((performance.now() - from) / 1000), writd, launchd })
      }
      const one = async (client: WritClient) => {
        const call = client.executeCall({ artifact, workload: { program: '/bin/true', argv: ['/bin/true'] } })
        call.endStdin()
        let end = 'NO END'
        for await (const { ended } of call.answers) if (ended) end = `${ended.cause} ${ended.exitCode}`
        ends.set(end, (ends.get(end) ?? 0) + 1)
      }
      const worker = async (client: WritClient) => {
        while (begun < EXECUTIONS) {
          begun++
          await one(client)
          if (++done % EVERY === 0) sample()
        }
      }
      // What is made once, for as many as there are at most.
      await Promise.all(
        Array.from({ length: AT_ONCE }, (_, i) => one(clients[i % clients.length] as WritClient)),
      )
      await delay(500)
      const idle = [holdingOf(host.daemonPid), holdingOf(host.launcherPid)] as const
      await Promise.all(
        Array.from({ length: AT_ONCE }, (_, i) =>
          worker(clients[Math.floor(i / CALLS_PER_CLIENT)] as WritClient),
        ),
      )
      sample()
      for (const client of clients.slice(1)) client.close()
      await delay(2000)
      const after = [holdingOf(host.daemonPid), holdingOf(host.launcherPid)] as const

      for (const { done, seconds, writd, launchd } of samples)
        console.log(
          `${done} in ${seconds} s: writd ${writd.kib} KiB, ${writd.descriptors} fds; launchd ${launchd.kib} KiB, ${launchd.descriptors} fds`,
        )
      const grows = (of: (sample: Sample) => number) =>
        slope(samples.slice(Math.floor(samples.length / 3)), of)
      const writd = grows(it => it.writd.kib)
      const launchd = grows(it => it.launchd.kib)
      console.log(`KiB per 1,000 executions: writd ${writd.toFixed(1)}, launchd ${launchd.toFixed(2)}`)
      expect(Object.fromEntries(ends)).toEqual({ 'END_CAUSE_EXIT 0': EXECUTIONS + AT_ONCE })
      expect(
        readdirSync(join(host.cgroup, 'executions'), { withFileTypes: true }).filter(it => it.isDirectory()),
      ).toEqual([])
      expect(childrenOf(host.launcherPid)).toEqual([])
      expect(after[1].mounts).toBe(idle[1].mounts)
      expect(after[0].descriptors).toBeLessThanOrEqual(idle[0].descriptors + 2)
      expect(after[1].descriptors).toBeLessThanOrEqual(idle[1].descriptors)
      // While they run: three streams each, at most.
      const most = Math.max(...samples.map(it => it.writd.descriptors))
      expect(most).toBeLessThanOrEqual(idle[0].descriptors + 3 * AT_ONCE)
      expect(launchd).toBeLessThan(4)
      expect(writd).toBeLessThan(400)
      clients[0]?.close()
    })
  },
)

/** By least squares: how much it grows in a thousand executions. */
function slope(samples: readonly Sample[], of: (sample: Sample) => number): number {
  const n = samples.length
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / n
  const [x, y] = [mean(samples.map(it => it.done)), mean(samples.map(of))]
  const up = samples.reduce((sum, it) => sum + (it.done - x) * (of(it) - y), 0)
  const across = samples.reduce((sum, it) => sum + (it.done - x) ** 2, 0)
  return (1000 * up) / across
}
