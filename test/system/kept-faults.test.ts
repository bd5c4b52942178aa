import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { api, WritClient } from '../../proto/client.ts'
import { childrenOf } from '../support/processes.ts'
import { exportAndVerify, ofType, processesWith, readLineage } from './audit.ts'
import { WRITD } from './governed-config.ts'
import { GovernedHost, NEEDS_ROOT } from './governed-host.ts'
import { KeptCall } from './kept-call.ts'

const SOAK = process.env.WRIT_SOAK === '1'
const HAS_STRACE = spawnSync('strace', ['-V']).status === 0
const SLOW = { timeout: 20_000 }
/** Calls on the thread pool are counted by thread: with one thread each is a step of its own. */
const ONE_THREAD = { UV_THREADPOOL_SIZE: '1' }

type Step = [call: string, which: number]
const upTo = (call: string, n: number): Step[] => Array.from({ length: n }, (_, i): Step => [call, i + 1])

/** What is asked of the launcher (KEEP of each, KEEP once more, LEAVE), and what becomes durable (hand-overs, stop, checkpoint). */
const LEAVING: Step[] = [...upTo('sendmsg', 6), ...upTo('fdatasync', 5)]
/** What is asked of the launcher (HELLO, LIST, kills, logs, ADOPT of each), and what becomes durable (start, evidence, renewal, adoption). */
const ADOPTING: Step[] = [...upTo('sendmsg', 10), ...upTo('fdatasync', 14)]
const FEW_LEAVING: Step[] = [
  ['sendmsg', 4],
  ['fdatasync', 1],
]
const FEW_ADOPTING: Step[] = [
  ['sendmsg', 6],
  ['fdatasync', 7],
]

describe.skipIf(NEEDS_ROOT !== null || !HAS_STRACE)(
  'a hand-over that is hit by kill -9 (needs root and strace)',
  () => {
    const calls: KeptCall[] = []
    /** Process of each, by its execution's id. */
    const begun = new Map<string, string>()
    const outcomes: string[] = []
    let host: GovernedHost
    let daemon: WritClient
    let artifact: Buffer
    let count = 0

    beforeAll(async () => {
      host = await GovernedHost.start({
        enrolled: true,
        config: {
          attestation: 'cycle_seconds = 1\nmax_evidence_age_seconds = 15',
          quota: 'requests_per_second = 2000\nrequest_burst = 4000',
        },
      })
      artifact = readFileSync(
        await host.issue('any', ['/bin/sh', '-c', 'sleep'], ['--any-arguments', '--uses', 'any']),
      )
      daemon = new WritClient(host.socket)
    }, 120_000)
    afterAll(async () => {
      daemon?.close()
      for (const call of calls) call.cancel()
      await host?.close()
    })

    async function start(): Promise<string> {
      const marker = `77${process.pid}${++count}`
      const argv = ['/bin/sh', '-c', 'cat; sleep 1000', `x${marker}`]
      const call = new KeptCall(host.socket, 'Execute', {
        start: { artifact, workload: { program: '/bin/sh', argv } },
      } as never)
      calls.push(call)
      await expect.poll(() => call.first('started') ?? call.error, SLOW).toHaveProperty('executionId')
      const executionId = call.first('started')?.executionId ?? ''
      begun.set(executionId, marker)
      await expect.poll(() => processesWith(marker).length).toBe(1)
      return executionId
    }

    async function begin(env: Record<string, string> = {}): Promise<void> {
      await host.startDaemon({ ...ONE_THREAD, ...env })
      daemon.close()
      daemon = new WritClient(host.socket)
      await host.attested()
    }

    /** Each of them: alive, of this run of the daemon, and with no END; or dead, with one. One START in any case. */
    async function expectEither(): Promise<void> {
      const look = async () => {
        const { executions } = await daemon.call(api.execution.List, {})
        const running = new Map(executions.map(({ executionId, state }) => [executionId, state]))
        const entries = await readLineage(daemon)
        const of = (type: 'execution-start' | 'execution-end' | 'adoption' | 'hand-over', id: string) =>
          ofType(entries, type).filter(({ event }) => event.executionId === id).length
        return [...begun].flatMap(([id, marker]) => {
          const alive = processesWith(marker).length
          const state = running.get(id)
          const found = {
            ...{ alive, state, starts: of('execution-start', id), ends: of('execution-end', id) },
          }
          const lives = alive === 1 && state === 'EXECUTION_STATE_RUNNING' && found.ends === 0
          const over = alive === 0 && state === undefined && found.ends === 1
          return found.starts === 1 && (lives || over) ? [] : [found]
        })
      }
      await expect.poll(look, { timeout: 10_000, interval: 100 }).toEqual([])
    }

    const living = () => [...begun.values()].filter(marker => processesWith(marker).length > 0).length

    test.each(SOAK ? LEAVING : FEW_LEAVING)(
      'the daemon, when it makes %s number %i of leaving',
      {
        timeout: 60_000,
      },
      async (call, which) => {
        const before = [await start(), await start()]
        const tracer = await attach(host.daemonPid, call, which)
        process.kill(host.daemonPid, 'SIGUSR2')
        const status = await host.stopDaemon()
        await tracer.over
        await begin()
        await expectEither()
        const alive = before.filter(id => processesWith(begun.get(id) ?? '').length > 0).length
        outcomes.push(`leaving ${call} ${which}: exit ${status}, ${alive} of ${before.length} go on`)
      },
    )

    test.each(SOAK ? ADOPTING : FEW_ADOPTING)(
      'the next one, when it makes %s number %i',
      {
        timeout: 60_000,
      },
      async (call, which) => {
        const before = [await start(), await start()]
        process.kill(host.daemonPid, 'SIGUSR2')
        expect(await host.stopDaemon()).toBe(0)
        const inject = ['-e', `trace=${call}`, '-e', `inject=${call}:signal=SIGKILL:when=${which}`]
        const strace = ['strace', '-f', '--seccomp-bpf', '-o', '/dev/null', ...inject]
        const asWritd = ['setpriv', `--reuid=${WRITD.uid}`, `--regid=${WRITD.gid}`, '--clear-groups', '--']
        const ended = await host.startDaemon(ONE_THREAD, [...strace, ...asWritd]).then(
          () => Promise.race([host.attested().then(() => false), host.daemonExit().then(() => true)]),
          () => true,
        )
        // A tracer that is killed would let it go on.
        for (const pid of childrenOf(host.daemonPid)) process.kill(pid, 'SIGKILL')
        await host.daemonExit()
        await begin()
        await expectEither()
        const alive = before.filter(id => processesWith(begun.get(id) ?? '').length > 0).length
        outcomes.push(
          `adopting ${call} ${which}: ${ended ? 'hit' : 'not hit'}, ${alive} of ${before.length} go on`,
        )
      },
    )

    test('the log says what is true, and verifies', async () => {
      if (SOAK) console.log(outcomes.join('\n'))
      expect(await exportAndVerify(host, 'bundle')).not.toContain('FAILED')
    }, 60_000)

    test('what goes on has a lease, which ends it', async () => {
      await start()
      expect(living()).toBeGreaterThan(0)
      host.tpm.hang()
      try {
        await expect.poll(living, { timeout: 25_000 }).toBe(0)
      } finally {
        host.tpm.resume()
      }
    }, 60_000)
  },
)

/** Has a running process killed when it makes a system call for the n-th time; resolves when that is so. */
async function attach(pid: number, call: string, n: number): Promise<{ over: Promise<unknown> }> {
  const inject = ['-e', `trace=${call}`, '-e', `inject=${call}:signal=SIGKILL:when=${n}`]
  const tracer = spawn('strace', ['-f', '-o', '/dev/null', ...inject, '-p', String(pid)], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  // As its tracee it may end by a signal.
  const over = once(tracer, 'exit')
  let said = ''
  tracer.stderr.on('data', piece => (said += piece))
  await expect.poll(() => said, { timeout: 10_000 }).toMatch(/attached/)
  return { over }
}
