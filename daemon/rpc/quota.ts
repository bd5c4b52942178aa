/** What one uid may take of the daemon. Rates fill a bucket up to its burst. */
export interface QuotaLimits {
  readonly requestsPerSecond: number
  readonly requestBurst: number
  readonly bytesPerSecond: number
  readonly byteBurst: number
  /** Connections at one time. */
  readonly connections: number
  /** Calls at one time. */
  readonly calls: number
}

interface Account {
  requests: number
  bytes: number
  filledAt: number
  connections: number
  calls: number
}

/** Counts, for every uid, what it takes, so that no uid can take the daemon from the others. */
export class Quota {
  readonly #limits: QuotaLimits
  readonly #now: () => number
  readonly #accounts = new Map<number, Account>()

  /** @param now milliseconds of a clock that never goes back */
  constructor(limits: QuotaLimits, now: () => number = () => performance.now()) {
    this.#limits = limits
    this.#now = now
  }

  /** Calls under way, of all uids. */
  get calls(): number {
    return [...this.#accounts.values()].reduce((total, { calls }) => total + calls, 0)
  }

  /** Takes one of the uid's connections; false if it has them all. */
  openConnection(uid: number): boolean {
    const account = this.#account(uid)
    if (account.connections >= this.#limits.connections) return false
    account.connections++
    return true
  }

  closeConnection(uid: number): void {
    const account = this.#account(uid)
    account.connections--
    if (account.connections === 0) this.#sweep()
  }

  /** Takes one request and one of the uid's calls; false if either is used up. */
  openCall(uid: number): boolean {
    const account = this.#account(uid)
    if (account.calls >= this.#limits.calls || account.requests < 1) return false
    account.requests--
    account.calls++
    return true
  }

  closeCall(uid: number): void {
    this.#account(uid).calls--
  }

  /**
   * Takes bytes that have come in. They may be more than there are: the debt is paid by waiting.
   *
   * @returns milliseconds to wait before more is read from the uid
   */
  charge(uid: number, bytes: number): number {
    const account = this.#account(uid)
    account.bytes -= bytes
    return account.bytes >= 0 ? 0 : Math.ceil((-account.bytes / this.#limits.bytesPerSecond) * 1000)
  }

  /** Gives bytes back that were taken by {@link Quota.charge}: what a permitted workload reads is held back by itself. */
  credit(uid: number, bytes: number): void {
    const account = this.#account(uid)
    account.bytes = Math.min(this.#limits.byteBurst, account.bytes + bytes)
  }

  /** Uids with an account; it is dropped when nothing is open and nothing is owed. */
  get size(): number {
    return this.#accounts.size
  }

  #account(uid: number): Account {
    const now = this.#now()
    const { requestsPerSecond, requestBurst, bytesPerSecond, byteBurst } = this.#limits
    const found = this.#accounts.get(uid)
    if (found === undefined) {
      const fresh = { requests: requestBurst, bytes: byteBurst, filledAt: now, connections: 0, calls: 0 }
      this.#accounts.set(uid, fresh)
      return fresh
    }
    const seconds = (now - found.filledAt) / 1000
    found.requests = Math.min(requestBurst, found.requests + seconds * requestsPerSecond)
    found.bytes = Math.min(byteBurst, found.bytes + seconds * bytesPerSecond)
    found.filledAt = now
    return found
  }

  /** An account that has refilled says no more than a fresh one. */
  #sweep(): void {
    for (const uid of this.#accounts.keys()) {
      const { connections, calls, requests, bytes } = this.#account(uid)
      const full = requests >= this.#limits.requestBurst && bytes >= this.#limits.byteBurst
      if (connections === 0 && calls === 0 && full) this.#accounts.delete(uid)
    }
  }
}
