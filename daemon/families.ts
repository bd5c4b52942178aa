const MINUTE_NS = 60_000_000_000n

/** How many children an execution has had, and has. */
export interface ChildCounts {
  readonly childrenStarted: number
  /** Of them, those that have not ended. */
  readonly childrenRunning: number
  /** Of them, those that were started in the last minute, by the boot clock. */
  readonly childrenLastMinute: number
}

interface Family {
  started: number
  readonly living: Set<string>
  /** Boot-clock instants of the starts of the last minute, in their order. */
  readonly recent: { readonly child: string; readonly atNs: bigint }[]
}

/**
 * Who has which children. A child counts from the instant of its permit, before that is durable: of requests that come at once, each sees those
 * that were permitted before it.
 */
export class Families {
  readonly #byParent = new Map<string, Family>()
  readonly #parentOf = new Map<string, string>()

  /** A child was permitted. */
  begin(parent: string, child: string, nowNs: bigint): void {
    const family = this.#byParent.get(parent) ?? { started: 0, living: new Set(), recent: [] }
    this.#byParent.set(parent, family)
    this.#parentOf.set(child, parent)
    family.started++
    family.living.add(child)
    prune(family, nowNs)
    family.recent.push({ child, atNs: nowNs })
  }

  /**
   * Goes on counting where an earlier run of the daemon stood. Those of the last minute count as of that instant, which is no earlier than they were.
   *
   * @param atNs boot-clock instant at which it was so
   */
  goOn(parent: string, { started, lastMinute }: { started: number; lastMinute: number }, atNs: bigint): void {
    const recent = Array.from({ length: Math.min(started, lastMinute) }, () => ({ child: '', atNs }))
    this.#byParent.set(parent, { started, living: new Set(), recent })
  }

  /** One of those that are counted already lives on. */
  livesOn(parent: string, child: string): void {
    this.#parentOf.set(child, parent)
    this.#byParent.get(parent)?.living.add(child)
  }

  /** Its permit did not become durable: it was none. */
  withdraw(child: string): void {
    const family = this.#familyOf(child)
    this.end(child)
    if (family === undefined) return
    family.started--
    const at = family.recent.findIndex(start => start.child === child)
    if (at >= 0) family.recent.splice(at, 1)
  }

  /** All its processes are dead. What it had below it ends with it; nothing is asked of it any more. */
  end(executionId: string): void {
    this.#familyOf(executionId)?.living.delete(executionId)
    this.#parentOf.delete(executionId)
    this.#byParent.delete(executionId)
  }

  countsOf(parent: string, nowNs: bigint): ChildCounts {
    const family = this.#byParent.get(parent)
    if (family === undefined) return { childrenStarted: 0, childrenRunning: 0, childrenLastMinute: 0 }
    prune(family, nowNs)
    return {
      childrenStarted: family.started,
      childrenRunning: family.living.size,
      childrenLastMinute: family.recent.length,
    }
  }

  /** All that live below an execution, each after its parent. */
  below(executionId: string): string[] {
    const found: string[] = [executionId]
    // It grows while it is gone through.
    for (const at of found) found.push(...(this.#byParent.get(at)?.living ?? []))
    return found.slice(1)
  }

  #familyOf(child: string): Family | undefined {
    const parent = this.#parentOf.get(child)
    return parent === undefined ? undefined : this.#byParent.get(parent)
  }
}

function prune({ recent }: Family, nowNs: bigint): void {
  const kept = recent.findIndex(({ atNs }) => nowNs - atNs < MINUTE_NS)
  recent.splice(0, kept < 0 ? recent.length : kept)
}
