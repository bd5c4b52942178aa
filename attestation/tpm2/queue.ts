import { TpmError } from './error.ts'

/** For whom a command runs: that decides its turn and its quota. */
export type Requester =
  | { readonly kind: 'attestor' }
  | { readonly kind: 'checkpoint' }
  | { readonly kind: 'counter' }
  | { readonly kind: 'maintenance' }
  | { readonly kind: 'unseal'; readonly uid: number }
  | { readonly kind: 'report'; readonly uid: number }

/** Who goes first. The lease hangs on the attestor, so it waits for nothing but the command that runs now. */
const ORDER = ['attestor', 'checkpoint', 'counter', 'maintenance', 'unseal', 'report'] as const

export interface QueueLimits {
  /** Most reports, and most unsealings, that wait, over all uids. */
  maxReports: number
  /** Longest wait for one's turn, in milliseconds. */
  maxWaitMs: number
}

/** Most that wait of one uid. An unsealing belongs to an execution that was permitted, and a caller may start several at once. */
const OF_ONE_UID = { report: 1, unseal: 8 } as const

interface Waiting {
  start(): void
  cancel(error: TpmError): void
}

/**
 * Gives one job at a time the TPM: attestor, checkpoint, counter, maintenance, unsealings, reports, each in order of
 * arrival. Of each uid at most one report and a few unsealings wait, so that one caller can neither starve the lease nor another caller.
 */
export class TpmQueue {
  readonly #limits: QueueLimits
  readonly #waiting = new Map<(typeof ORDER)[number], Set<Waiting>>(ORDER.map(kind => [kind, new Set()]))
  /** How many wait, by kind and uid. */
  readonly #ofUid = new Map<string, number>()
  #running = false
  #closed = false
  /** Called when the last job has ended and none waits. */
  onIdle: () => void = () => undefined

  constructor(limits: QueueLimits) {
    this.#limits = limits
  }

  /** How many wait for their turn. */
  get length(): number {
    return [...this.#waiting.values()].reduce((total, line) => total + line.size, 0)
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
    const release = this.#admit(requester, line.size)
    return new Promise((resolve, reject) => {
      const leave = () => {
        clearTimeout(timer)
        line.delete(waiting)
        release()
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

  /** @returns what gives the place up again */
  #admit(requester: Requester, waiting: number): () => void {
    if (!('uid' in requester)) return () => undefined
    const { kind, uid } = requester
    const key = `${kind} ${uid}`
    const now = this.#ofUid.get(key) ?? 0
    if (now >= OF_ONE_UID[kind]) throw busy(`a ${kind} for uid ${uid} waits already`)
    if (waiting >= this.#limits.maxReports) throw busy(`${waiting} of kind ${kind} wait already`)
    this.#ofUid.set(key, now + 1)
    return () => {
      const left = (this.#ofUid.get(key) ?? 1) - 1
      if (left === 0) this.#ofUid.delete(key)
      else this.#ofUid.set(key, left)
    }
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
