import { execFileSync } from 'node:child_process'
import { CliError } from './error.ts'

/** What a terminal shows, in characters. */
export interface Size {
  readonly rows: number
  readonly columns: number
}

/** Of what this process writes to; null where that is no terminal. */
function sizeOf(stream: NodeJS.WriteStream): Size | null {
  const { rows, columns } = stream
  return stream.isTTY && rows > 0 && columns > 0 ? { rows, columns } : null
}

/** stty(1) on this process's standard input. Node's raw mode would go on turning line feeds into two characters. */
function stty(...settings: string[]): string {
  return execFileSync('stty', settings, { stdio: ['inherit', 'pipe', 'ignore'], encoding: 'utf8' }).trim()
}

/**
 * The terminal of this process in raw mode: every key is a byte for the program, and nothing that the program writes is changed. It is
 * given back as it was, whichever way this process ends, but for SIGKILL.
 */
export class CallersTerminal {
  readonly #saved: string
  readonly #restore = () => void this.#settle()
  readonly #stop = () => this.#pause()
  #raw = false
  #resized: (size: Size) => void = () => undefined

  /** @throws CliError if standard input is no terminal */
  constructor() {
    if (!process.stdin.isTTY) {
      throw new CliError('USAGE', 'standard input is no terminal', {
        at: '--terminal',
        next: 'Leave --terminal out, or start this from a terminal.',
      })
    }
    this.#saved = stty('-g')
    process.on('exit', this.#restore)
  }

  get size(): Size | null {
    return sizeOf(process.stdout) ?? sizeOf(process.stderr)
  }

  /** Goes into raw mode. @param resized called whenever it has another size */
  enter(resized: (size: Size) => void): void {
    this.#resized = resized
    this.#raw = true
    stty('raw', '-echo')
    process.on('SIGTSTP', this.#stop)
    process.on('SIGWINCH', this.#tell)
  }

  /** Gives it back as it was. */
  leave(): void {
    process.off('SIGTSTP', this.#stop).off('SIGWINCH', this.#tell)
    this.#settle()
    process.off('exit', this.#restore)
  }

  readonly #tell = () => {
    // After Node itself has looked.
    setImmediate(() => {
      if (this.size !== null) this.#resized(this.size)
    })
  }

  #settle(): void {
    if (!this.#raw) return
    this.#raw = false
    try {
      stty(this.#saved)
    } catch {
      // A terminal that has hung up needs nothing any more.
    }
  }

  /** Somebody else stops this process (its own Ctrl-Z goes to the program): their shell needs its terminal meanwhile. */
  #pause(): void {
    this.#settle()
    process.kill(process.pid, 'SIGSTOP')
    // Here again after SIGCONT.
    this.#raw = true
    stty('raw', '-echo')
    this.#tell()
  }
}
