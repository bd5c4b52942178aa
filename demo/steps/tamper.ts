import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { SimulatedTpm } from '../../attestation/tpm2/swtpm/index.ts'
import { DemoError, start } from '../processes.ts'
import type { Screen } from '../screen.ts'
import { USERS } from '../workspace.ts'
import { writArgv } from '../writ.ts'
import type { Workload } from './infer.ts'
import type { Site } from './serve.ts'

/** The PCR that boot loaders measure the kernel's command line into; nothing of the recorded boot extends it. */
const TAMPERED_PCR = 8
const WORKERS = 3

/** A long execution, a host that is tampered with, and how long it takes until everything is dead. */
export async function tamper(
  screen: Screen,
  site: Site,
  workload: Workload,
  tpm: SimulatedTpm,
): Promise<void> {
  screen.heading('A long workload runs, and the host is tampered with')
  const argv = [workload.program, 'serve', workload.weights, String(WORKERS), '5']
  const artifact = await workload.issue('serve', { argv })
  screen.command(`writ run --artifact serve.json -- ./classifier serve weights ${WORKERS} 5`)
  const running = start(
    writArgv(
      ['run', '--json', '--socket', site.socket, '--artifact', artifact, '--', ...argv],
      site.repository,
    ),
    { uid: USERS.caller },
  )
  site.workspace.atEnd('the long workload', () => {
    running.child.kill('SIGKILL')
    return undefined
  })
  const pids = await screen.waiting(
    'waiting for its processes',
    waitForProcesses(site, WORKERS + 1, running.finished),
  )
  screen.line(`${pids.length} processes: ${pids.join(' ')}`)

  screen.command(`tpm2_pcrextend ${TAMPERED_PCR}:sha256=6666…   # as a changed boot loader would`)
  const began = performance.now()
  await extend(tpm)
  const { stderr } = await screen.waiting('waiting for the next appraisal', running.finished)
  const ended = performance.now() - began
  const left = (await Promise.all(pids.map(isAlive))).filter(Boolean).length
  const outcome = lastJson(stderr)
  screen.line(`ended by ${outcome.cause}; kill order to confirmed dead: ${outcome.killMs.toFixed(1)} ms`)
  screen.result(
    'Tampered host',
    `${pids.length - left} of ${pids.length} processes dead ${(ended / 1000).toFixed(2)} s after the tampering`,
    left === 0 && outcome.cause === 'ATTESTATION_FAILED' && outcome.confirmedDead,
  )
  const after = await workload.run({ artifact: await workload.issue('after') })
  const reason =
    /denied: ([A-Z_, ]+)/.exec(after.stderr)?.[1] ?? `status ${after.status}: ${after.stderr.trim()}`
  screen.result('New request', reason, reason.split(', ').includes('ATTESTATION_FAILED'))
}

async function extend(tpm: SimulatedTpm): Promise<void> {
  const connection = tpm.connect()
  try {
    await connection.pcrExtend(TAMPERED_PCR, [
      { bank: 'sha1', digest: Buffer.alloc(20, 0x66) },
      { bank: 'sha256', digest: Buffer.alloc(32, 0x66) },
    ])
  } finally {
    await connection.close()
  }
}

/** All processes in the executions' cgroups, once there are as many as expected. */
async function waitForProcesses(
  site: Site,
  count: number,
  ended: Promise<{ stderr: string }>,
): Promise<number[]> {
  let early: string | undefined
  void ended.then(({ stderr }) => {
    early = stderr
  })
  for (let i = 0; i < 200; i++) {
    if (early !== undefined) throw new DemoError(`the long workload ended early:\n${early}`)
    const pids = await processesBelow(join(site.cgroup, 'executions'))
    if (pids.length >= count) return pids
    await sleep(50)
  }
  throw new DemoError('the long workload did not start')
}

async function processesBelow(path: string): Promise<number[]> {
  const here = (await readFile(join(path, 'cgroup.procs'), 'utf8').catch(() => ''))
    .split('\n')
    .filter(Boolean)
    .map(Number)
  const items = await readdir(path, { withFileTypes: true }).catch(() => [])
  const below = await Promise.all(
    items.filter(i => i.isDirectory()).map(i => processesBelow(join(path, i.name))),
  )
  return [...here, ...below.flat()]
}

/** Whether a process is there and not merely waiting for its parent to notice its end. */
async function isAlive(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  return stat !== '' && !/\) [ZX] /.test(stat)
}

interface Outcome {
  readonly cause: string
  readonly killMs: number
  readonly confirmedDead: boolean
}

/** The outcome that `writ run --json` writes behind the program's own errors. */
function lastJson(stderr: string): Outcome {
  try {
    const { ended } = JSON.parse(stderr.trimEnd().split('\n').at(-1) ?? '')
    return {
      cause: String(ended.cause),
      killMs: ended.killMs ?? 0,
      confirmedDead: ended.confirmedDead,
    }
  } catch {
    throw new DemoError(`the long workload ended without an outcome:\n${stderr}`)
  }
}
