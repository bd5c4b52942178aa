import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import type { Governed } from './governed.ts'
import { makeRow, median, type Row } from './measure.ts'

export const idleCpuTitle = 'idle daemon, a cycle each 10 s, CPU in % of a core'
export const startTitle = 'start of the daemon to attested, without the TPM, in ms'

const CPU_GOAL_PERCENT = 0.5
const START_GOAL_MS = 2000
const SPANS = 3
/** Two cycles each. */
const SPAN_MS = 20_000
const STARTS = 5
/** CLK_TCK, which is 100 on every Linux that there is (times(2)). */
const TICKS_PER_SECOND = 100
const sleep = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))

/** What the daemon takes while nobody asks it anything. */
export async function idleCpu({ host }: Governed): Promise<Row> {
  const samples: number[] = []
  await sleep(5_000)
  for (let i = 0; i < SPANS; i++) {
    const [ticks, begun] = [cpuTicks(host.daemonPid), performance.now()]
    await sleep(SPAN_MS)
    const seconds = (cpuTicks(host.daemonPid) - ticks) / TICKS_PER_SECOND
    samples.push((100_000 * seconds) / (performance.now() - begun))
  }
  return makeRow(
    idleCpuTitle,
    1,
    samples,
    median(samples) / CPU_GOAL_PERCENT,
    `${CPU_GOAL_PERCENT} % of a core`,
  )
}

/** From the start of the process to the first permit that it could give. What the TPM took is told by the daemon's own metrics. */
export async function startToAttested({ host }: Governed): Promise<Row> {
  const samples: number[] = []
  const tpm: number[] = []
  for (let i = 0; i < STARTS; i++) {
    await host.stopDaemon()
    const begun = performance.now()
    await host.startDaemon()
    await host.attested()
    const tookMs = performance.now() - begun
    const page = await metrics(host.path('metrics/metrics.sock'))
    const sums = [...page.matchAll(/^writ_tpm_command_seconds_sum\{.*\} (.*)$/gm)].map(([, sum]) =>
      Number(sum),
    )
    const tpmMs = 1000 * sums.reduce((total, sum) => total + sum, 0)
    tpm.push(tpmMs)
    samples.push(tookMs - tpmMs)
  }
  const reference = `the limit of ${START_GOAL_MS} ms; the TPM took ${median(tpm).toFixed(0)} ms`
  return makeRow(startTitle, 1, samples, median(samples) / START_GOAL_MS, reference)
}

/** User and system time of all threads: fields 14 and 15 of proc_pid_stat(5), behind the name, which may hold anything. */
function cpuTicks(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return Number(fields[11]) + Number(fields[12])
}

function metrics(socketPath: string): Promise<string> {
  return new Promise((resolve, reject) => {
    request({ socketPath, path: '/metrics' }, response => {
      let body = ''
      response.setEncoding('utf8')
      response.on('data', piece => (body += piece))
      response.on('end', () => resolve(body))
    })
      .on('error', reject)
      .end()
  })
}
