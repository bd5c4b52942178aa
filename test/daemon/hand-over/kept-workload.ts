import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { closeSync, constants, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openStreams } from '../../../daemon/launcher/streams.ts'

const { O_RDONLY, O_RDWR, O_WRONLY, O_NONBLOCK } = constants

/** A program on pipes of which duplicates are kept, as the launcher keeps them, and which one daemon after the other opens. */
export class KeptWorkload {
  readonly child: ChildProcess
  /** Its exit status. */
  readonly exited: Promise<number | null>
  readonly #directory = mkdtempSync(join(tmpdir(), 'writ-kept-'))
  readonly #kept: number[]
  #stdinKept = true

  constructor(script: string) {
    const [stdin, stdout, stderr] = this.#paths()
    execFileSync('mkfifo', [stdin, stdout, stderr])
    this.#kept = [
      openSync(stdin, O_RDWR),
      ...[stdout, stderr].map(path => openSync(path, O_RDONLY | O_NONBLOCK)),
    ]
    this.child = spawn('/bin/sh', ['-c', `exec <${stdin} >${stdout} 2>${stderr}; ${script}`])
    this.exited = new Promise(resolve => this.child.once('exit', resolve))
    this.child.once('exit', () => this.#sayEnd())
  }

  /** What the launcher gives to the next daemon. */
  adopt(): ReturnType<typeof openStreams> {
    const [stdin, stdout, stderr] = this.#paths()
    const outputs = [stdout, stderr].map(path => openSync(path, O_RDONLY | O_NONBLOCK))
    if (this.child.exitCode !== null || this.child.signalCode !== null) this.#sayEnd()
    const there = { stdin: this.#stdinKept, stdout: true, stderr: true, terminal: false }
    return openStreams(there, [...(this.#stdinKept ? [openSync(stdin, O_RDWR)] : []), ...outputs])
  }

  /** KEEP without standard input: the daemon has closed it. */
  closeStdin(): void {
    if (this.#stdinKept) closeSync(this.#kept.shift() ?? -1)
    this.#stdinKept = false
  }

  end(): void {
    this.child.kill('SIGKILL')
    for (const fd of this.#kept.splice(0)) closeSync(fd)
    rmSync(this.#directory, { recursive: true, force: true })
  }

  /** A pipe that is opened by its name has an end only for a writer that has come and gone since. */
  #sayEnd(): void {
    const [, stdout, stderr] = this.#paths()
    if (this.#kept.length > 0)
      for (const path of [stdout, stderr]) closeSync(openSync(path, O_WRONLY | O_NONBLOCK))
  }

  #paths(): [string, string, string] {
    return [join(this.#directory, 'in'), join(this.#directory, 'out'), join(this.#directory, 'err')]
  }
}
