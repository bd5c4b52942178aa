import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** Something that the demo relies on did not work; the message says what, with the end of the log. */
export class DemoError extends Error {}

export interface Finished {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  /** The user to run as; with an empty list of groups. */
  readonly uid?: number
  readonly input?: string
  readonly cwd?: string
}

/** The command line that runs something as another user, with no groups but its own. */
function asUser(uid: number | undefined, argv: readonly string[]): readonly string[] {
  return uid === undefined ? argv : ['setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups', ...argv]
}

/** Runs a program to its end. It dies with the demo. */
export function run(argv: readonly string[], options: RunOptions = {}): Promise<Finished> {
  return start(argv, options).finished
}

/** A program that runs while the demo goes on. */
export interface Running {
  readonly child: ChildProcess
  readonly finished: Promise<Finished>
}

export function start(argv: readonly string[], options: RunOptions = {}): Running {
  const [file = '', ...args] = asUser(options.uid, argv)
  const child = spawn(file, args, { cwd: options.cwd, stdio: ['pipe', 'pipe', 'pipe'] })
  const output = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', text => {
    output.stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', text => {
    output.stderr += text
  })
  // Who is denied does not read its input.
  child.stdin.on('error', () => {})
  child.stdin.end(options.input ?? '')
  const finished = new Promise<Finished>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', status => resolve({ status: status ?? 255, ...output }))
  })
  return { child, finished }
}

/** A daemon of the demo. Its output goes to a file. It is sent SIGKILL should the demo itself die. */
export class Service {
  readonly name: string
  readonly log: string
  readonly #child: ChildProcess
  readonly #exited: Promise<void>
  #gone = false

  constructor(name: string, log: string, argv: readonly string[], uid?: number) {
    this.name = name
    this.log = log
    const output = openSync(log, 'a')
    const [file = '', ...args] = asUser(uid, ['setpriv', '--pdeathsig=KILL', ...argv])
    this.#child = spawn(file, args, { stdio: ['ignore', output, output] })
    closeSync(output)
    this.#exited = new Promise(resolve => {
      const gone = () => {
        this.#gone = true
        resolve()
      }
      this.#child.once('exit', gone)
      this.#child.once('error', gone)
    })
  }

  /** Waits until `ready` says so. @throws DemoError when the service ends or takes too long */
  async until(ready: () => boolean | Promise<boolean>, timeoutMs = 60_000): Promise<void> {
    const end = performance.now() + timeoutMs
    while (!(await ready())) {
      if (this.#gone || performance.now() > end) {
        throw new DemoError(`${this.name} ${this.#gone ? 'ended' : 'is not ready'}:\n${this.tail()}`)
      }
      await sleep(50)
    }
  }

  tail(lines = 12): string {
    return readFileSync(this.log, 'utf8').trimEnd().split('\n').slice(-lines).join('\n')
  }

  /** SIGTERM, and SIGKILL for what has not ended then. */
  async stop(patienceMs = 15_000): Promise<void> {
    if (this.#gone) return
    this.#child.kill('SIGTERM')
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), patienceMs)
    await this.#exited
    clearTimeout(timer)
  }
}
