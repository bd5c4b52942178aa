import { TpmError } from './error.ts'

/** For whom a command runs: that decides its turn and its quota. */
export type Requester =
  | { readonly kind: 'attestor' }
  | { readonly kind: 'checkpoint' }
  | { readonly kind: 'counter' }
  | { readonly kind: 'maintenance' }
  | { readonly kind: 'report'; readonly uid: number }

/** Who goes first. The lease hangs on the attestor, so it waits for nothing but the command that runs now. */
const ORDER = ['attestor', 'checkpoint', 'counter', 'maintenance', 'report'] as const

export interface QueueLimits {
  /** Most reports that wait, over all uids. */
  maxReports: number
  /** Longest wait for one's turn, in milliseconds. */
  maxWaitMs: number
}

interface Waiting {
  start(): void
  cancel(error: TpmError): void
}

/**
 * Gives one job at a time the TPM: attestor, checkpoint, counter, maintenance, reports, each in order of arrival. Of
 * each uid at most one report waits, so that one caller can neither starve the lease nor another caller.
 */
export class TpmQueue {
  readonly #limits: QueueLimits
  readonly #waiting = new Map<(typeof ORDER)[number], Set<Waiting>>(ORDER.map(kind => [kind, new Set()]))
  readonly #uids = new Set<number>()
  #running = false
  #closed = false
  /** Called when the last job has ended and none waits. */
  onIdle: () => void = () => undefined

  constructor(limits: QueueLimits) {
    this.#limits = limits
  }

  /**
   * Runs `job` when its turn comes, and returns what it returns.
   *
   * @throws TpmError `TPM_BUSY` over quota, `TPM_TIMEOUT` waited too long, `TPM_CLOSED`
   */
  async run<T>(requester: Requester, job: () => Promise<T>): Promise<T> {
    if (this.#closed) throw closed()
    if (this.#running) await this.#turn(requester)
    this.#running = true
    try {
      return await job()
    } finally {
      this.#running = false
      this.#next()
    }
  }

  /** Lets the running job end; what waits fails with `TPM_CLOSED`. */
  close(): void {
    this.#closed = true
    for (const line of this.#waiting.values()) for (const waiting of line) waiting.cancel(closed())
  }

  #turn(requester: Requester): Promise<void> {
    const line = this.#waiting.get(requester.kind)
    if (!line) throw new Error(`no such requester: ${requester.kind}`)
    if (requester.kind === 'report') {
      if (this.#uids.has(requester.uid)) throw busy(`a report for uid ${requester.uid} waits already`)
      if (line.size >= this.#limits.maxReports) throw busy(`${line.size} reports wait already`)
      this.#uids.add(requester.uid)
    }
    return new Promise((resolve, reject) => {
      const leave = () => {
        clearTimeout(timer)
        line.delete(waiting)
        if (requester.kind === 'report') this.#uids.delete(requester.uid)
      }
      const waiting: Waiting = {
        start() {
          leave()
          resolve()
        },
        cancel(error) {
          leave()
          reject(error)
        },
      }
      const { maxWaitMs } = this.#limits
      const timer = setTimeout(
        () => waiting.cancel(new TpmError('TPM_TIMEOUT', `the TPM was not free in ${maxWaitMs} ms`)),
        maxWaitMs,
      )
      line.add(waiting)
    })
  }

  #next(): void {
    for (const kind of ORDER) {
      const first = this.#waiting.get(kind)?.values().next()
      if (first?.done === false) {
        // Set here and not only in run(): the promise resolves later, and a newcomer must not slip in before.
        this.#running = true
        first.value.start()
        return
      }
    }
    this.onIdle()
  }
}

function busy(message: string): TpmError {
  return new TpmError('TPM_BUSY', message)
}

function closed(): TpmError {
  return new TpmError('TPM_CLOSED', 'the TPM was closed')
}
