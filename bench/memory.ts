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
/** How long garbage and caches get to go away. */
const SETTLE_MS = 2000
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

/** The daemon a few seconds after its start, attested, with ten policies, before its first request for an execution. */
export async function idle({ host }: Governed): Promise<Row> {
  const load = PACKAGES.map(name => `require('${name}');`).join('')
  const bare = spawn(process.execPath, ['-e', `${load}process.send('loaded');setInterval(()=>{},1e6)`], {
    cwd: import.meta.dirname,
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  try {
    await once(bare, 'message')
    await sleep(SETTLE_MS)
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

/** In MB of 1000 kB. */
function rss(pid: number): number {
  return field(pid, 'status', 'VmRSS') / 1000
}

/**
 * What 100 running executions take beside their programs: supervisors, inits, and the growth of launcher and daemon, over 100. As
 * many have run and ended before, so that what is made once for all is not counted as theirs.
 */
export async function execution(governed: Governed): Promise<Row> {
  const { host } = governed
  const artifact = await governed.artifact('sleep', ['/bin/sleep', '600'])
  await runMany(governed, artifact, async () => undefined)
  await sleep(SETTLE_MS)
  const before = { daemon: pss(host.daemonPid), launcher: pss(host.launcherPid) }
  return runMany(governed, artifact, async () => {
    await sleep(SETTLE_MS)
    const supervisors = childrenOf(host.launcherPid)
    const each = supervisors.map(pid => pss(pid) + sum(childrenOf(pid).map(pss)))
    const launcher = (pss(host.launcherPid) - before.launcher) / RUNNING
    const daemon = (pss(host.daemonPid) - before.daemon) / RUNNING
    const all = each.map(own => own + launcher + daemon)
    const parts = `supervisor and init ${median(each).toFixed(0)}, launcher ${launcher.toFixed(0)}, daemon ${daemon.toFixed(0)}`
    return makeRow(
      executionTitle,
      1,
      all,
      median(all) / EXECUTION_GOAL_KB,
      `the limit of ${EXECUTION_GOAL_KB} kB; ${parts}`,
    )
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
