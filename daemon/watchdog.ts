import type { Late, Progress } from './progress.ts'

/** How the service manager's watchdog is set (sd_watchdog_enabled(3)): how often to tell it, in milliseconds; null when it does not watch us. */
export function watchdogIntervalMs(env: NodeJS.ProcessEnv = process.env): number | null {
  const { WATCHDOG_USEC: usec, WATCHDOG_PID: pid } = env
  if (usec === undefined || !/^[0-9]{1,15}$/.test(usec) || Number(usec) === 0) return null
  if (pid !== undefined && pid !== String(process.pid)) return null
  // A third, so that one late turn of the loop is no reason for anything.
  return Math.max(1, Math.floor(Number(usec) / 3000))
}

/**
 * Tells the service manager that the daemon is alive, for as long as it is: its timer runs, so the event loop turns, and what it does (first the
 * attempts to start, then the attestation) gets on. A TPM that answers with an error, or is not there, has answered: a restart would not help,
 * and the gate is closed. One that never answers is what a restart may help against, and so is a step that never ends.
 */
export class Watchdog {
  readonly #notify: (state: string) => void
  #progress: Pick<Progress, 'late'> | null = null
  #timer: NodeJS.Timeout | undefined
  /** Called with why it is told nothing, and with null when it is told again. */
  onChange: (why: Late | null) => void = () => undefined
  #silent = false

  constructor(notify: (state: string) => void) {
    this.#notify = notify
  }

  /** @param intervalMs of {@link watchdogIntervalMs} */
  start(intervalMs: number | null): void {
    if (intervalMs === null) return
    this.#timer = setInterval(() => this.look(), intervalMs)
    this.look()
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  /** From here on this is what has to get on. */
  follow(progress: Pick<Progress, 'late'>): void {
    this.#progress = progress
  }

  /** Why it would be told nothing now; null while all gets on. */
  get late(): Late | null {
    return this.#progress?.late ?? null
  }

  look(): void {
    const why = this.late
    if (why === null) this.#notify('WATCHDOG=1')
    if (this.#silent === (why !== null)) return
    this.#silent = why !== null
    this.onChange(why)
  }
}
