/** How the service manager's watchdog is set (sd_watchdog_enabled(3)): how often to tell it, in milliseconds; null when it does not watch us. */
export function watchdogIntervalMs(env: NodeJS.ProcessEnv = process.env): number | null {
  const { WATCHDOG_USEC: usec, WATCHDOG_PID: pid } = env
  if (usec === undefined || !/^[0-9]{1,15}$/.test(usec) || Number(usec) === 0) return null
  if (pid !== undefined && pid !== String(process.pid)) return null
  // A third, so that one late turn of the loop is no reason for anything.
  return Math.max(1, Math.floor(Number(usec) / 3000))
}

/** Beyond three cycles: a turn in the TPM's queue and one command, each given up by itself (attestation/tpm2/tpm.ts). */
const TPM_PATIENCE_MS = 20_000

/** What the daemon gets on with once it serves. */
export interface Progress {
  /** When it last got on (performance.now()). */
  readonly progressMs: number
}

/**
 * Tells the service manager that the daemon is alive, for as long as it is: its timer runs, so the event loop turns, and the attestation gets on. A TPM
 * that answers with an error, or is not there, has answered: a restart would not help, and the gate is closed. One that never answers is
 * what a restart may help against.
 */
export class Watchdog {
  readonly #notify: (state: string) => void
  readonly #now: () => number
  #attestor: Progress | null = null
  #cycleMs: () => number = () => 0
  #timer: NodeJS.Timeout | undefined
  /** Called with why it is told nothing, and with null when it is told again. */
  onChange: (why: string | null) => void = () => undefined
  #silent = false

  constructor(notify: (state: string) => void, now = () => performance.now()) {
    this.#notify = notify
    this.#now = now
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

  /** From here on it also counts whether the attestation gets on. Before, the daemon starts or waits for its TPM. */
  follow(attestor: Progress, cycleMs: () => number): void {
    this.#attestor = attestor
    this.#cycleMs = cycleMs
  }

  look(): void {
    const why = this.#whyNot()
    if (why === null) this.#notify('WATCHDOG=1')
    if (this.#silent === (why !== null)) return
    this.#silent = why !== null
    this.onChange(why)
  }

  #whyNot(): string | null {
    if (this.#attestor === null) return null
    // Not the boot clock: after a suspend nothing is late yet.
    const sinceMs = this.#now() - this.#attestor.progressMs
    if (sinceMs <= 3 * this.#cycleMs() + TPM_PATIENCE_MS) return null
    return `no attestation cycle has got an answer of the TPM for ${Math.round(sinceMs / 1000)} s`
  }
}
