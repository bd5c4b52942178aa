import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import type { ExecuteCall } from '../proto/client.ts'
import type { Governed } from './governed.ts'
import { makeRow, median, type Row } from './measure.ts'

export const idleTitle = 'idle daemon, RSS in MB'
export const executionTitle = 'one more execution with 100 running, PSS in kB'

const IDLE_GOAL_MB = 130
const EXECUTION_GOAL_KB = 300
const RUNNING = 100
const GROWTHS = 3
/** How long garbage and caches get to go away. */
const SETTLE_MS = 2000
/**
 * What reading reference values and policies leaves goes back to the host within some minutes: V8 collects it when it has been idle for a
 * while, RELEASE_MS of daemon/main.ts follows.
 */
const IDLE_MS = 150_000
const sleep = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))

/** What the daemon is made of, loaded and doing nothing. */
const PACKAGES = [
  '@grpc/grpc-js',
  'protobufjs',
  'pino',
  'reflect-metadata',
  '@peculiar/x509',
  '@cedar-policy/cedar-wasm/nodejs',
]

/** The daemon a while after its start, attested, with ten policies and 20,000 files in its reference values, before its first request for an execution. */
export async function idle({ host }: Governed): Promise<Row> {
  const load = PACKAGES.map(name => `require('${name}');`).join('')
  const bare = spawn(process.execPath, ['-e', `${load}process.send('loaded');setInterval(()=>{},1e6)`], {
    cwd: import.meta.dirname,
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  try {
    await once(bare, 'message')
    await sleep(IDLE_MS)
    const samples: number[] = []
    for (let i = 0; i < 20; i++) {
      await sleep(100)
      samples.push(rss(host.daemonPid))
    }
    const packages = `Node with the daemon's packages loaded: ${rss(bare.pid ?? 0).toFixed(0)} MB`
    const ratio = median(samples) / IDLE_GOAL_MB
    return makeRow(idleTitle, 1, samples, ratio, `the limit of ${IDLE_GOAL_MB} MB; ${packages}`)
  } finally {
    bare.kill('SIGKILL')
  }
}

/** In MB of a million bytes; the kernel's kB are of 1024 (proc_pid_status(5)). */
function rss(pid: number): number {
  return (field(pid, 'status', 'VmRSS') * 1024) / 1_000_000
}

/**
 * What 100 running executions take beside their programs: supervisors, inits, and the growth of launcher and daemon, over 100. As
 * many have run and ended before, so that what is made once for all is not counted as theirs. The daemon's garbage comes and goes
 * by megabytes, so its growth is the median of several.
 */
export async function execution(governed: Governed): Promise<Row> {
  const artifact = await governed.artifact('sleep', ['/bin/sleep', '600'])
  await runMany(governed, artifact, async () => undefined)
  const rounds: Growth[] = []
  for (let i = 0; i < GROWTHS; i++) rounds.push(await growth(governed, artifact))
  const each = rounds.flatMap(round => round.each)
  const launcher = median(rounds.map(round => round.launcher))
  const daemon = median(rounds.map(round => round.daemon))
  const all = each.map(own => own + launcher + daemon)
  const kB = (value: number) => value.toFixed(0)
  const parts = `supervisor and init ${kB(median(each))}, launcher ${kB(launcher)}, daemon ${kB(daemon)}`
  const ratio = median(all) / EXECUTION_GOAL_KB
  return makeRow(executionTitle, 1, all, ratio, `the limit of ${EXECUTION_GOAL_KB} kB; ${parts}`)
}

/** In kB: of each supervisor with its init, and of launcher and daemon for one execution. */
interface Growth {
  readonly each: readonly number[]
  readonly launcher: number
  readonly daemon: number
}

async function growth(governed: Governed, artifact: Buffer): Promise<Growth> {
  const { launcherPid, daemonPid } = governed.host
  await sleep(SETTLE_MS)
  const before = { daemon: pss(daemonPid), launcher: pss(launcherPid) }
  return runMany(governed, artifact, async () => {
    await sleep(SETTLE_MS)
    return {
      each: childrenOf(launcherPid).map(pid => pss(pid) + sum(childrenOf(pid).map(pss))),
      launcher: (pss(launcherPid) - before.launcher) / RUNNING,
      daemon: (pss(daemonPid) - before.daemon) / RUNNING,
    }
  })
}

/** Has 100 executions running while `look` looks. */
async function runMany<T>(governed: Governed, artifact: Buffer, look: () => Promise<T>): Promise<T> {
  const calls: ExecuteCall[] = []
  const ends: Promise<void>[] = []
  try {
    for (let i = 0; i < RUNNING; i++) {
      const call = governed.client.executeCall({ artifact, workload: { program: '/bin/sleep' } })
      calls.push(call)
      const first = await call.answers.next()
      if (first.value?.message !== 'started') throw new Error('an execution did not start')
      ends.push(
        (async () => {
          for await (const _ of call.answers);
        })().catch(() => undefined),
      )
    }
    return await look()
  } finally {
    for (const call of calls) call.cancel()
    await Promise.all(ends)
    while (childrenOf(governed.host.launcherPid).length > 0) await sleep(20)
  }
}

/** Kilobytes, from a file of /proc/PID. */
function field(pid: number, file: string, name: string): number {
  const found = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/${file}`, 'utf8'))
  return Number(found?.[1])
}

function pss(pid: number): number {
  return field(pid, 'smaps_rollup', 'Pss')
}

function childrenOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap(task =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
  )
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
