import { bootTimeNs } from '../native.ts'

/**
 * How long an announcement counts: twice what the unit lets a stop take (`TimeoutStopSec=`), within which the service manager sends SIGTERM or gives up. What
 * was announced and did not come is not to make a restart of a stop next month.
 */
export const ANNOUNCED_MS = 90_000
/**
 * How long a stop waits for the announcement that may have come just before it. Signals that are pending together are taken by different threads, and told
 * in any order: of two that were sent at once one in fourteen was, less than a millisecond apart where nobody else wanted the processors.
 */
const SETTLE_MS = 50

/**
 * Whether whoever stops the daemon has said before that it starts the next one at once: SIGUSR2, and then SIGTERM. The signal alone does nothing,
 * and ends nothing. To be made at the first moment: without it the signal ends the process.
 */
export class Announcement {
  /** Called at each. */
  onHeard: () => void = () => undefined
  readonly #bootNs: () => bigint
  #heardNs: bigint | null = null
  #heard = Promise.withResolvers<void>()

  constructor(bootNs: () => bigint = bootTimeNs) {
    this.#bootNs = bootNs
    process.on('SIGUSR2', () => {
      this.#heardNs = this.#bootNs()
      this.#heard.resolve()
      this.onHeard()
    })
  }

  /** Whether what stops the daemon now is a restart. To be asked as soon as it is told to stop. */
  async covers(): Promise<boolean> {
    const stopNs = this.#bootNs()
    if (!this.#counts(stopNs)) {
      this.#heard = Promise.withResolvers()
      await Promise.race([this.#heard.promise, new Promise(resolve => setTimeout(resolve, SETTLE_MS))])
    }
    return this.#counts(stopNs)
  }

  #counts(stopNs: bigint): boolean {
    return this.#heardNs !== null && stopNs - this.#heardNs < BigInt(ANNOUNCED_MS) * 1_000_000n
  }
}
