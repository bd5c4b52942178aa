import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { bootTimeNs } from '../../daemon/native.ts'
import { descriptors } from '../support/processes.ts'
import { seeded } from '../support/seeded.ts'
import { isRoot, NO_EARLIER, newId, parentOf, SECOND, sleep, TestHost, until, type Writd } from './host.ts'

const SOAK = process.env.WRIT_SOAK === '1'
const LAUNCHES = Number(process.env.WRIT_LAUNCHES ?? (SOAK ? 1000 : 60))
const SEED = Number(process.env.WRIT_SEED ?? 20_261_121)
const HAS_STRACE = spawnSync('strace', ['-V']).status === 0

/**
 * Steps of a launch by the system call that makes them, each made by one kind of process only: supervisors make init and their timers, give
 * up rights, freeze and report; init mounts, changes its user and forks.
 */
const STEPS: [process: 'supervisor' | 'init', call: string, times: number][] = [
  ['supervisor', 'timerfd_create', 1],
  ['supervisor', 'clone3', 1],
  ['supervisor', 'capset', 1],
  ['supervisor', 'timerfd_settime', 4],
  // The launcher writes to the leaf as well, and dies then.
  ['supervisor', 'pwrite64', 3],
  ['init', 'sethostname', 1],
  ['init', 'setresuid', 1],
  ['init', 'seccomp', 1],
]

describe.skipIf(!isRoot)('a launch', () => {
  const hosts: TestHost[] = []
  afterEach(async () => {
    for (const host of hosts.splice(0)) await host.stop()
  })
  const start = async (wrapper: string[] = []): Promise<TestHost> => {
    const host = new TestHost({}, wrapper)
    hosts.push(host)
    await host.start()
    return host
  }

  const cases = STEPS.flatMap(([who, call, times]) =>
    Array.from({ length: times }, (_, i) => [who, call, i + 1] as const),
  )
  it.skipIf(!HAS_STRACE).each(cases)(
    'whose %s is killed at %s number %i leaves nothing behind (needs strace)',
    async (_, call, when) => {
      // -D: the launcher stays our child, the tracer is its grandchild.
      const inject = ['-e', `trace=${call}`, '-e', `inject=${call}:signal=SIGKILL:when=${when}`]
      const host = await start(['strace', '-D', '-f', '-qq', '-o', '/dev/null', ...inject])
      const writd = await host.connect()
      const outcome = await writd.run(['/bin/true']).then(
        ({ end }) => end.cause,
        (error: { code?: string }) => error.code,
      )
      expect(outcome).toMatch(
        /^(?:ENDED|EXITED|SUPERVISOR_LOST|INIT_LOST|NOT_STARTED|SANDBOX_FAILED|EXEC_FAILED|INTERNAL|DISCONNECTED)$/,
      )
      if (outcome === 'DISCONNECTED') {
        // Nobody is there to remove it; the next launcher does.
        await until(() => host.leaves().every(id => host.processes(id).length === 0))
        await host.start([])
        expect(host.leaves()).toEqual([])
        return
      }
      await until(() => host.leaves().length === 0)
      expect((await writd.client.list()).filter(({ state }) => state !== 'STAGED')).toEqual([])
      await until(() => zombies(host.pid).length === 0)
      writd.client.close()
    },
  )

  it.skipIf(!HAS_STRACE)(
    'ends on a lapse in order: all are frozen, all killed, then spoken of (needs strace)',
    async () => {
      const calls = join(mkdtempSync(join(tmpdir(), 'writ-order-')), 'calls')
      const host = await start(['strace', '-D', '-qq', '-y', '-e', 'trace=pwrite64,sendmsg', '-o', calls])
      const writd = await host.connect()
      const running = []
      for (let i = 0; i < 5; i++) running.push(await writd.start(['/bin/sleep', '300']))
      const from = readFileSync(calls, 'utf8').length
      writd.client.lapse(1n)
      const ends = await Promise.all(running.map(({ ended }) => ended))
      expect(ends.map(({ cause }) => cause)).toEqual(running.map(() => 'LAPSE'))
      writd.client.close()
      await host.stop()
      const order = readFileSync(calls, 'utf8')
        .slice(from)
        .split('\n')
        .flatMap(line => /[^/]+\/cgroup\.(?:freeze|kill)(?=>)|^sendmsg/.exec(line)?.[0] ?? [])
      const before = (next: string, what: string) => {
        const end = order.findIndex(call => call.endsWith(next))
        return new Set(order.slice(0, end).filter(call => call.endsWith(what))).size
      }
      expect(before('kill', 'freeze')).toBe(5)
      expect(before('sendmsg', 'kill')).toBe(5)
      rmSync(dirname(calls), { recursive: true })
    },
  )

  it.skipIf(!HAS_STRACE)(
    'that lapses between its thaw and its first instruction never runs one (needs strace)',
    async () => {
      // Init becomes a session's leader, and then the workload's process does: right before it looks once more.
      const late = ['-e', 'trace=setsid', '-e', 'inject=setsid:delay_enter=300000']
      const host = await start(['strace', '-D', '-f', '-qq', '-o', '/dev/null', ...late])
      const writd = await host.connect()
      const running = await writd.prepare(['/bin/sh', '-c', 'echo ran'])
      const frozen = () => host.leafFile(running.executionId, 'cgroup.events').includes('frozen 1')
      await until(frozen) // which is soon after it was written
      const starting = writd.client.start(running.executionId, 1n)
      starting.catch(() => undefined)
      await until(() => !frozen())
      // Nobody else is to end it first.
      const supervisor = parentOf(running.pid)
      process.kill(supervisor, 'SIGSTOP')
      writd.page.lapse()
      await until(() => host.processes(running.executionId).length === 2)
      await until(() => host.processes(running.executionId).length < 2)
      process.kill(supervisor, 'SIGCONT')
      await expect(starting).rejects.toMatchObject({ code: expect.stringMatching(/^(EPOCH_OVER|ENDED)$/) })
      expect(await running.output).toBe('')
      writd.client.close()
    },
  )

  it.skipIf(!HAS_STRACE)(
    'that lapses while it is being adopted ends at once, without anybody who orders that (needs strace)',
    async () => {
      // It has said that it is ready, told init to go, and said that it has started; the fourth is that it has adopted, after its look at the page.
      const late = ['-e', 'trace=sendto', '-e', 'inject=sendto:delay_enter=400000:when=4']
      const host = await start(['strace', '-D', '-f', '-qq', '-o', '/dev/null', ...late])
      const before = await host.connect()
      const { executionId } = await before.start(['/bin/sleep', '300'])
      await before.client.keep(executionId, {})
      await before.client.leave()
      before.client.close()
      const writd = await host.connect()
      const adopting = writd.client.adopt(executionId, 1n, NO_EARLIER)
      await sleep(200)
      writd.page.lapse()
      await adopting
      const adopted = bootTimeNs()
      const { cause, bootNs } = await writd.ended(executionId)
      expect(cause).toBe('EPOCH')
      // Its next look by itself would have been half a lease later.
      expect(bootNs - adopted).toBeLessThan(SECOND)
      writd.client.close()
      await host.stop()
    },
  )

  it.skipIf(!HAS_STRACE)(
    'that lapses while its supervisor is about to let go of it is never thawed (needs strace)',
    async () => {
      const calls = join(mkdtempSync(join(tmpdir(), 'writ-thaw-')), 'calls')
      // Its first order is the one to start, which it reads after its look at the lease.
      const late = ['-e', 'trace=pwrite64,recvmsg', '-e', 'inject=recvmsg:delay_enter=400000:when=1']
      const host = await start(['strace', '-D', '-f', '-qq', '-y', '-o', calls, ...late])
      const writd = await host.connect()
      const running = await writd.prepare(['/bin/true'])
      const starting = writd.client.start(running.executionId, 1n)
      starting.catch(() => undefined)
      await sleep(150)
      writd.page.lapse()
      await expect(starting).rejects.toMatchObject({ code: expect.stringMatching(/^(EPOCH_OVER|ENDED)$/) })
      await running.ended
      writd.client.close()
      await host.stop()
      expect(readFileSync(calls, 'utf8')).toMatch(/cgroup\.freeze>, "1"/)
      expect(readFileSync(calls, 'utf8')).not.toMatch(/cgroup\.freeze>, "0"/)
      rmSync(dirname(calls), { recursive: true })
    },
  )

  it(`that is hit by random kills leaves nothing behind: ${LAUNCHES} of them (seed ${SEED})`, {
    timeout: 900_000,
  }, async () => {
    const host = await start()
    const random = seeded(SEED)
    let writd = await host.connect()
    for (let i = 0; i < 10; i++) await writd.run(['/bin/true'])
    const before = { descriptors: descriptors(host.pid), mounts: mounts(host), kib: residentKib(host.pid) }
    const outcomes = new Map<string, number>()
    const count = (what: string) => outcomes.set(what, (outcomes.get(what) ?? 0) + 1)
    for (let done = 0; done < LAUNCHES; ) {
      const batch = Math.min(LAUNCHES - done, 5)
      done += batch
      const closed = Promise.withResolvers<string>()
      const launches = Array.from({ length: batch }, () => launch(host, writd, random, closed.promise))
      // Now and then writd itself goes away in the middle: what it began has to end without it.
      const goes = random() < 0.1
      if (goes) {
        await sleep(random() * 20)
        writd.client.close()
        closed.resolve('WRITD_GONE')
      }
      for (const outcome of await Promise.all(launches)) count(outcome)
      if (goes) writd = await host.connect()
    }
    await until(() => host.leaves().length === 0, 10_000)
    await until(() => zombies(host.pid).length === 0)
    expect(await writd.client.list()).toEqual([])
    await until(() => descriptors(host.pid) <= before.descriptors)
    expect(mounts(host)).toEqual(before.mounts)
    expect(residentKib(host.pid)).toBeLessThan(before.kib + 1024)
    await until(() => children(host.pid).length === 0)
    // The faults did something, and not everything was a fault.
    expect(outcomes.get('EXITED') ?? 0).toBeGreaterThan(0)
    expect(outcomes.size).toBeGreaterThan(1)
    if (SOAK) console.log(`${LAUNCHES} launches: ${JSON.stringify(Object.fromEntries(outcomes))}`)
    expect((await writd.run(['/bin/true'])).end.exitCode).toBe(0)
    writd.client.close()
  })
})

/** One launch, with a kill of a process that takes part in it at some moment, or without. Gives how it went. */
async function launch(
  host: TestHost,
  writd: Writd,
  random: () => number,
  gone: Promise<string>,
): Promise<string> {
  const id = newId()
  const options = { maxEvidenceAgeNs: 60n * SECOND }
  const way = random()
  const delay = random() * 25
  const kill = async () => {
    await sleep(delay)
    const victims = way < 0.4 ? children(host.pid) : way < 0.7 ? children(host.pid).flatMap(children) : []
    const victim = victims[Math.floor(random() * victims.length)]
    if (victim === undefined) return
    try {
      process.kill(victim, 'SIGKILL')
    } catch {
      // It is over.
    }
  }
  const [outcome] = await Promise.all([
    writd.start(['/bin/sh', '-c', '(setsid sleep 0.02 &); true'], options, id).then(
      async ({ ended }) => {
        return Promise.race([ended.then(({ cause }) => cause), gone])
      },
      (error: { code?: string }) => error.code ?? 'ERROR',
    ),
    kill(),
  ])
  return outcome
}

/** The mounts of this namespace, but for those that other tests make meanwhile in directories of their own. */
const mounts = (host: TestHost) =>
  readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter(line => {
      const place = line.split(' ')[4] ?? ''
      return !place.startsWith(join(tmpdir(), 'writ-')) || place.startsWith(host.directory)
    })
const residentKib = (pid: number) =>
  Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])

function children(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
  } catch {
    return []
  }
}

function zombies(pid: number): number[] {
  return children(pid).filter(child => {
    try {
      return /^State:\s+Z/m.test(readFileSync(`/proc/${child}/status`, 'utf8'))
    } catch {
      return false
    }
  })
}
