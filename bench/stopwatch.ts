import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Part } from './measure.ts'

/** A C program in `programs/` that takes the time itself, so that Node's own cost is in no reference. */
export class Stopwatch {
  readonly #process: ChildProcess
  readonly #lines: AsyncIterator<string>
  #errors = ''

  /**
   * Compiles and starts one.
   *
   * @param directory where the binary goes
   */
  constructor(source: string, args: readonly string[], directory: string) {
    const binary = join(directory, source)
    const path = join(import.meta.dirname, 'programs', `${source}.c`)
    execFileSync('gcc', [
      '-O2',
      '-std=gnu17',
      '-D_GNU_SOURCE',
      '-Wall',
      '-Wextra',
      '-Werror',
      '-o',
      binary,
      path,
    ])
    this.#process = spawn(binary, args, { stdio: 'pipe', env: {} })
    this.#process.stderr?.on('data', piece => (this.#errors += piece))
    this.#process.stdin?.on('error', () => undefined)
    if (this.#process.stdout === null) throw new Error('no pipe')
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]()
  }

  /** Milliseconds of one go. */
  async time(): Promise<number> {
    this.#process.stdin?.write('\n')
    const { value, done } = await this.#lines.next()
    if (done) throw new Error(`a reference ended: ${this.#errors.trim()}`)
    return Number(value) / 1e6
  }

  part(name: string): Part {
    return { name, time: () => this.time() }
  }

  async close(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const gone = once(this.#process, 'exit')
    this.#process.stdin?.end()
    await gone
  }
}
