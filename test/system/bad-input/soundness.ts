import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { expect } from 'vitest'
import { CallError, WritClient } from '../../../proto/client.ts'
import type { WorkloadInput } from '../../../proto/generated/writ/v1/Workload.ts'
import { compiledDirectory } from '../../support/compiled.ts'
import { descriptors } from '../../support/processes.ts'
import { CHECKOUT, programs } from '../../support/programs.ts'
import { exportAndVerify } from '../audit.ts'
import { type GovernedHost, WRITD } from '../governed-host.ts'

const CGROUPS = ['/sys/fs/cgroup', '/sys/fs/cgroup/unified']

/** What became of one Execute. */
export interface Outcome {
  /** Reasons of a denial, or the code of a fault, or the gRPC status where there is neither; null when it ran. */
  readonly refused: string | null
  readonly message: string
  readonly exitCode: number | undefined
  readonly cause: string
  readonly stdout: string
}

/** Runs a workload to its end and says what became of it; what is not an error of the call's is thrown. */
export async function attempt(
  client: WritClient,
  artifact: Uint8Array,
  workload: WorkloadInput,
): Promise<Outcome> {
  let stdout = ''
  let end: { exitCode?: number | undefined; cause: string; message: string } = { cause: '', message: '' }
  try {
    const call = client.executeCall({ artifact, workload })
    call.endStdin()
    for await (const answer of call.answers) {
      if (answer.stdout) stdout += Buffer.from(answer.stdout).toString()
      if (answer.ended) end = { ...answer.ended, cause: String(answer.ended.cause) }
    }
    const { exitCode, cause, message } = end
    return { refused: null, message, exitCode, cause: cause.replace('END_CAUSE_', ''), stdout }
  } catch (error) {
    if (!(error instanceof CallError)) throw error
    const refused = error.reasons.map(({ code }) => code).join() || error.faultCode || error.status
    return { refused, message: error.message, exitCode: undefined, cause: '', stdout }
  }
}

/** A number that Linux tells of a process (proc_pid_status(5)), in KiB. */
function memory(pid: number, field: 'VmRSS' | 'RssAnon'): number {
  const line = new RegExp(`^${field}:\\s+([0-9]+) kB$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  return Number(line?.[1])
}

export const rssMiB = (pid: number): number => memory(pid, 'VmRSS') / 1024

function children(pid: number): string[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean)
}

/** The leaf cgroups of a host's executions. */
export function leaves(host: GovernedHost): string[] {
  return CGROUPS.map(mount => join(mount, basename(host.dir), 'executions'))
    .filter(existsSync)
    .flatMap(path =>
      readdirSync(path, { withFileTypes: true })
        .filter(entry => entry.isDirectory())
        .map(entry => entry.name),
    )
}

/** What a host holds when nothing runs: the measure of what bad input may leave behind. */
export class Soundness {
  readonly #host: GovernedHost
  readonly #good: Buffer
  #client: WritClient
  #descriptors: [number, number] = [0, 0]

  /** @param good an artifact of any number of uses for /bin/true */
  constructor(host: GovernedHost, good: Buffer) {
    this.#host = host
    this.#good = good
    this.#client = new WritClient(host.socket)
  }

  /** A client of root's that lives as long as the daemon does. */
  get client(): WritClient {
    return this.#client
  }

  /** After the daemon was started again. */
  reconnect(): void {
    this.#client.close()
    this.#client = new WritClient(this.#host.socket)
  }

  async good(): Promise<Outcome> {
    return attempt(this.#client, this.#good, { program: '/bin/true', argv: ['/bin/true'] })
  }

  /** Runs something good, so that what is opened once is open, and counts. */
  async begin(): Promise<this> {
    for (let i = 0; i < 3; i++) expect(await this.good()).toMatchObject({ refused: null, exitCode: 0 })
    this.#descriptors = this.#counts()
    return this
  }

  /** Nothing is left running or open, and the next good request runs. */
  async check(): Promise<void> {
    const host = this.#host
    expect(await this.good()).toMatchObject({ refused: null, exitCode: 0 })
    await expect.poll(() => leaves(host), { timeout: 5_000 }).toEqual([])
    await expect.poll(() => children(host.launcherPid), { timeout: 5_000 }).toEqual([])
    // Two: a file of the log that is open for an instant, and a prepared segment.
    const [daemon, launcher] = this.#descriptors
    await expect.poll(() => this.#counts()[0], { timeout: 10_000 }).toBeLessThanOrEqual(daemon + 2)
    await expect.poll(() => this.#counts()[1], { timeout: 5_000 }).toBeLessThanOrEqual(launcher)
  }

  /** The lineage verifies, with nothing but the operator's key and the EK's root. The host has to be enrolled. */
  async verifies(name: string): Promise<void> {
    expect(await exportAndVerify(this.#host, name)).not.toContain('FAILED')
  }

  close(): void {
    this.#client.close()
  }

  #counts(): [number, number] {
    return [descriptors(this.#host.daemonPid), descriptors(this.#host.launcherPid)]
  }
}

const PROGRAMS = await programs()

/** Runs a daemon that is expected to end by itself, and tells it to after a while. */
export function endingDaemon(
  config: string,
  withinMs = 25_000,
): Promise<{ code: number | null; stderr: string }> {
  return ending(process.execPath, [join(PROGRAMS, 'daemon/main.ts'), '--config', config], WRITD, withinMs)
}

/** Runs a launcher that is expected to end by itself. */
export function endingLauncher(config: string): Promise<{ code: number | null; stderr: string }> {
  return ending(join(CHECKOUT, 'native/build/writ-launchd'), ['--config', config], {})
}

async function ending(
  program: string,
  args: string[],
  user: { uid?: number; gid?: number },
  withinMs = 25_000,
): Promise<{ code: number | null; stderr: string }> {
  const child = spawn(program, args, {
    ...user,
    env: { PATH: process.env.PATH, NODE_COMPILE_CACHE: compiledDirectory() },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let stderr = ''
  child.stderr?.on('data', piece => (stderr += piece))
  const timer = setTimeout(() => child.kill('SIGTERM'), withinMs)
  const [code] = (await once(child, 'close')) as [number | null]
  clearTimeout(timer)
  return { code, stderr }
}
