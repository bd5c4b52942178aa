import { ControlError } from './core.ts'
import { LauncherError } from './launcher/error.ts'
import type { PassedSignal, Prepared, TerminalSize } from './launcher/types.ts'

type Held = Pick<Prepared, 'stdout' | 'stderr' | 'resize'>

/** What a caller can do to an execution that runs, besides ending it. */
export class Controls {
  readonly #send: (executionId: string, signal: PassedSignal) => Promise<void>
  readonly #running = new Map<string, Held>()

  /** @param send sends a signal by way of the launcher */
  constructor(send: (executionId: string, signal: PassedSignal) => Promise<void>) {
    this.#send = send
  }

  /** From its start. */
  add(executionId: string, held: Held): void {
    this.#running.set(executionId, held)
  }

  /** To its end. */
  remove(executionId: string): void {
    this.#running.delete(executionId)
  }

  /** Sends a signal to its first process. @throws ControlError */
  async signal(executionId: string, signal: PassedSignal): Promise<void> {
    this.#find(executionId)
    try {
      await this.#send(executionId, signal)
    } catch (error) {
      if (!(error instanceof LauncherError)) throw error
      if (error.code === 'CAPACITY') throw new ControlError('BUSY', 'too many signals wait to be delivered')
      throw new ControlError('NOT_RUNNING', 'the execution does not run', { cause: error })
    }
  }

  /** Sets the size of its terminal. @throws ControlError */
  resize(executionId: string, size: TerminalSize): void {
    const { resize } = this.#find(executionId)
    if (resize === null) throw new ControlError('NO_TERMINAL', 'the execution has no terminal')
    resize(size)
  }

  /**
   * Closes our end of a stream that it writes to: its next write there fails. The other end of a terminal is its keyboard too, which is
   * not closed. @throws ControlError
   */
  closeOutput(executionId: string, stream: 'stdout' | 'stderr'): void {
    const held = this.#find(executionId)
    if (held.resize === null) held[stream]?.destroy()
  }

  #find(executionId: string): Held {
    const held = this.#running.get(executionId)
    if (held === undefined) throw new ControlError('NOT_RUNNING', 'the execution does not run')
    return held
  }
}
