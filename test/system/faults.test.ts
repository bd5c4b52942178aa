import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CallError, WritClient } from '../../proto/client.ts'
import { childrenOf, type Holding, holdingOf } from '../support/processes.ts'
import { seeded } from '../support/seeded.ts'
import { type Issue, issuerLike } from './artifacts.ts'
import { exportAndVerify, ofType, processesWith, readLineage } from './audit.ts'
import { GovernedHost, NEEDS_ROOT } from './governed-host.ts'

const SOAK = process.env.WRIT_SOAK === '1'
const LAUNCHES = Number(process.env.WRIT_LAUNCHES ?? (SOAK ? 1000 : 40))
const DAEMON_KILLS = SOAK ? 20 : 1
const AT_ONCE = 10
const SEED = Number(process.env.WRIT_SEED ?? 20_261_121)
const HAS_STRACE = spawnSync('strace', ['-V']).status === 0

/** Steps of a launch by the daemon's system calls: what it asks of the launcher, and what it makes durable before it goes on. */
const STEPS: [call: string, which: number][] = [
  ...[1, 2, 3, 4].map((n): [string, number] => ['sendmsg', n]),
  ...[1, 2, 3].map((n): [string, number] => ['fdatasync', n]),
  ...[1, 2, 3, 4].map((n): [string, number] => ['recvmsg', n]),
]
/** Of the order to prepare, and of START. */
const FEW_STEPS: typeof STEPS = [
  ['sendmsg', 2],
  ['sendmsg', 3],
]

describe.skipIf(NEEDS_ROOT !== null)('launches on a whole host that are hit by kill -9 (needs root)', () => {
  const marker = `66${process.pid}`
  const random = seeded(SEED)
  const started = new Set<string>()
  const outcomes = new Map<string, number>()
  let host: GovernedHost
  let daemon: WritClient
  let issue: Issue

  beforeAll(async () => {
    host = await GovernedHost.start({ enrolled: true })
    const template = await host.issue('template', ['/bin/sh', '-c', 'true'], ['--any-arguments'])
    issue = issuerLike(host, template)
    daemon = new WritClient(host.socket)
  }, 120_000)
  afterAll(async () => {
    daemon?.close()
    await host?.close()
  })

  /** One launch, to its end or until the daemon is gone. Gives how it went. */
  async function launch(): Promise<string> {
    const script = `(setsid sleep 0.0${marker} &); true`
    const workload = { program: '/bin/sh', argv: ['/bin/sh', '-c', script] }
    const call = daemon.executeCall({ artifact: issue(), workload })
    call.endStdin()
    try {
      for await (const answer of call.answers) {
        if (answer.started) started.add(answer.started.executionId)
        if (answer.ended) return answer.ended.confirmedDead ? answer.ended.cause : 'NOT CONFIRMED'
      }
      return 'NO END'
    } catch (error) {
      if (error instanceof CallError) return error.code
      throw error
    }
  }

  /** Kills somebody who takes part in a launch, at some moment, or nobody. */
  async function killSomebody(): Promise<void> {
    const way = random()
    await delay(random() * 40)
    const below = childrenOf(host.launcherPid)
    const victims = way < 0.4 ? below : way < 0.7 ? below.flatMap(childrenOf) : []
    const victim = victims[Math.floor(random() * victims.length)]
    if (victim === undefined) return
    try {
      process.kill(victim, 'SIGKILL')
    } catch {
      // It is over.
    }
  }

  async function batch(size: number, daemonDies: boolean): Promise<void> {
    const launches = Array.from({ length: size }, async () => {
      const [outcome] = await Promise.all([launch(), killSomebody()])
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
    })
    if (daemonDies) {
      await delay(random() * 150)
      await host.stopDaemon('SIGKILL')
    }
    await Promise.all(launches)
    if (daemonDies) await restarted()
  }

  async function restarted(): Promise<void> {
    await host.startDaemon()
    await host.attested()
    daemon.close()
    daemon = new WritClient(host.socket)
  }

  const leaves = () =>
    readdirSync(join(host.cgroup, 'executions'), { withFileTypes: true }).filter(it => it.isDirectory())

  /** No process, no zombie, no cgroup; START and END of each in the log. */
  async function expectAllAccountedFor(): Promise<void> {
    await expect.poll(() => leaves().length, { timeout: 10_000 }).toBe(0)
    await expect.poll(() => childrenOf(host.launcherPid), { timeout: 10_000 }).toEqual([])
    await expect.poll(() => processesWith(marker), { timeout: 10_000 }).toEqual([])
    await expect
      .poll(
        async () => {
          const entries = await readLineage(daemon)
          const begun = ofType(entries, 'execution-start').map(({ event }) => event.executionId)
          // What could not be made ready has an end that says so, and never began.
          const ends = ofType(entries, 'execution-end').filter(
            ({ event }) =>
              event.confirmedDead && (event.cause !== 'NOT_STARTED' || begun.includes(event.executionId)),
          )
          const untold = [...started].filter(id => !begun.includes(id))
          return {
            untold,
            open: begun.length - ends.length,
            ends: new Set(ends.map(e => e.event.executionId)).size - begun.length,
          }
        },
        { timeout: 10_000 },
      )
      .toEqual({ untold: [], open: 0, ends: 0 })
  }

  const expectFlat = (now: Holding, before: Holding, kib: number) => {
    expect(now.descriptors).toBeLessThanOrEqual(before.descriptors)
    expect(now.mounts).toBe(before.mounts)
    expect(now.kib).toBeLessThan(before.kib + kib)
  }

  test(`at random: ${LAUNCHES} launches, ${DAEMON_KILLS} times the daemon (seed ${SEED})`, {
    timeout: 1_800_000,
  }, async () => {
    await batch(AT_ONCE, false)
    await expectAllAccountedFor()
    const launcher = holdingOf(host.launcherPid)
    const batches = Math.ceil(LAUNCHES / AT_ONCE)
    const every = Math.ceil(batches / (DAEMON_KILLS + 1))
    let own = holdingOf(host.daemonPid)
    for (let i = 1; i <= batches; i++) {
      const daemonDies = i % every === 0 && i < batches
      await batch(AT_ONCE, daemonDies)
      if (!daemonDies) continue
      await expectAllAccountedFor()
      own = holdingOf(host.daemonPid)
    }
    await expectAllAccountedFor()
    expectFlat(holdingOf(host.launcherPid), launcher, 1024)
    // A daemon that has just been started has read and compiled little of what it will need.
    await expect.poll(() => holdingOf(host.daemonPid).descriptors).toBeLessThanOrEqual(own.descriptors)
    expect(holdingOf(host.daemonPid).kib).toBeLessThan(own.kib + 64 * 1024)
    if (SOAK) console.log(JSON.stringify([...outcomes]), launcher.kib, holdingOf(host.launcherPid).kib)
    expect(outcomes.get('END_CAUSE_EXIT') ?? 0).toBeGreaterThan(0)
    expect(outcomes.size).toBeGreaterThan(1)
    expect(outcomes.get('NOT CONFIRMED')).toBeUndefined()
    expect(outcomes.get('NO END')).toBeUndefined()
  })

  test.skipIf(!HAS_STRACE).each(SOAK ? STEPS : FEW_STEPS)(
    'the daemon, when it makes %s number %i of a launch (needs strace)',
    async (call, which) => {
      const tracer = await attach(host.daemonPid, call, which)
      const outcomes = Promise.all([launch(), launch()])
      await Promise.race([host.daemonExit(), outcomes.then(() => host.stopDaemon('SIGKILL'))])
      await outcomes
      if (tracer.exitCode === null) await once(tracer, 'exit')
      await restarted()
      await expectAllAccountedFor()
    },
  )

  test('and the log verifies', async () => {
    const report = await exportAndVerify(host, 'bundle')
    expect(report).not.toContain('FAILED')
  })
})

/** Has a running process killed when it makes a system call for the n-th time; resolves when that is so. */
async function attach(pid: number, call: string, n: number): Promise<ChildProcess> {
  const inject = ['-e', `trace=${call}`, '-e', `inject=${call}:signal=SIGKILL:when=${n}`]
  const tracer = spawn('strace', ['-f', '-o', '/dev/null', ...inject, '-p', String(pid)], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  tracer.stderr.on('data', piece => (said += piece))
  await expect.poll(() => said, { timeout: 10_000 }).toMatch(/attached/)
  return tracer
}
