import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'

/** Something that the test stands on did not work; the message says what, with the end of its output. */
export class HostTestError extends Error {}

export interface Finished {
  /** 128 + N if signal N ended it, as a shell says it. */
  readonly status: number
  readonly stdout: Buffer
  readonly stderr: Buffer
}

export interface RunOptions {
  readonly timeoutMs?: number
  readonly input?: string | Buffer
  readonly cwd?: string
  readonly env?: NodeJS.ProcessEnv
}

/** Children of this process that still run. */
const running = new Set<ChildProcess>()

/** Starts a program as the leader of a process group, which dies with this process, one way or the other. */
export function start(argv: readonly string[], options: SpawnOptions): ChildProcess {
  const child = spawn('setpriv', ['--pdeathsig=KILL', ...argv], { ...options, detached: true })
  running.add(child)
  const gone = () => running.delete(child)
  child.once('exit', gone).once('error', gone)
  return child
}

/** Ends a child and what it started. */
export function kill(child: ChildProcess, signal: NodeJS.Signals = 'SIGKILL'): void {
  if (child.pid === undefined || !running.has(child)) return
  try {
    process.kill(-child.pid, signal)
  } catch {
    // It has ended in this moment.
  }
}

/** Ends every child that still runs. */
export function killAll(): void {
  for (const child of running) kill(child)
}

/** Runs a program to its end, whatever comes of it. @throws HostTestError when it takes too long or is not there */
export function run(argv: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const { timeoutMs = 120_000, input, ...rest } = options
  const child = start(argv, { ...rest, stdio: ['pipe', 'pipe', 'pipe'] })
  const out: Buffer[] = []
  const err: Buffer[] = []
  child.stdout?.on('data', piece => out.push(piece))
  child.stderr?.on('data', piece => err.push(piece))
  child.stdin?.on('error', () => undefined)
  child.stdin?.end(input ?? '')
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      kill(child)
      reject(
        new HostTestError(`${argv.slice(0, 3).join(' ')}: no end in ${timeoutMs / 1000} s\n${tail(err)}`),
      )
    }, timeoutMs)
    child.once('error', error => {
      clearTimeout(timer)
      reject(new HostTestError(`${argv[0]}: ${error.message}`))
    })
    child.once('close', (code, signal) => {
      clearTimeout(timer)
      const status = code ?? 128 + (signal === 'SIGKILL' ? 9 : 15)
      resolve({ status, stdout: Buffer.concat(out), stderr: Buffer.concat(err) })
    })
  })
}

/** As {@link run}. @returns standard output @throws HostTestError unless it exits with 0 */
export async function ok(argv: readonly string[], options: RunOptions = {}): Promise<string> {
  const { status, stdout, stderr } = await run(argv, options)
  if (status !== 0)
    throw new HostTestError(`${argv.slice(0, 6).join(' ')}: exit status ${status}\n${tail([stdout, stderr])}`)
  return stdout.toString()
}

/** The end of what something wrote. */
export function tail(pieces: readonly Buffer[], lines = 15): string {
  return Buffer.concat(pieces).toString().trimEnd().split('\n').slice(-lines).join('\n')
}
