import type { Caller, Decision } from '../authorization/index.ts'
import { sha256Hex } from '../encoding/digest.ts'
import type { Lineage } from '../lineage/index.ts'
import { type Recorder, recordedReasons, rfc3339 } from './recorder.ts'

/** Denials of one uid that get an entry of their own at once, and how many more each second. */
const DENIAL_BURST = 50
const DENIALS_PER_SECOND = 5
/** How long denials are counted before the count is written. */
const COUNT_MS = 5_000
/** Most uids that are counted apart. Beyond them the kernel itself has run out of callers worth telling apart. */
const MAX_COUNTED_UIDS = 4096

interface Tokens {
  left: number
  atMs: number
}

interface Counted {
  count: number
  readonly reasons: Map<string, number>
  readonly fromMs: number
}

/**
 * Writes decisions to the lineage. Every permit and, of each uid, every denial up to a rate has an entry and a full record; what a flood
 * has beyond that is one counted entry.
 */
export class DecisionLog {
  readonly #lineage: Lineage
  readonly #recorder: Recorder
  readonly #tokens = new Map<number, Tokens>()
  readonly #counted = new Map<number, Counted>()
  readonly #onError: (error: unknown) => void
  #timer: NodeJS.Timeout | undefined

  constructor(lineage: Lineage, recorder: Recorder, onError: (error: unknown) => void) {
    this.#lineage = lineage
    this.#recorder = recorder
    this.#onError = onError
  }

  /**
   * Makes a decision durable: first what it refers to, then its entry. For a permit that consumes a use, this entry is the
   * consumption.
   *
   * @param caller the uid counts for the rate of denials
   * @returns the entry's index; null for a denial that was counted instead
   * @throws LineageError; then it is not certain whether the entry is in the log
   */
  async write(
    decision: Decision,
    caller: Caller,
    executionId: string,
    artifact: Buffer | null,
  ): Promise<bigint | null> {
    if (decision.outcome === 'deny' && !this.#takeToken(caller.uid)) {
      this.count(
        caller.uid,
        decision.reasons.map(reason => reason.code),
      )
      return null
    }
    const record = await this.#store(decision, artifact)
    return this.#recorder.record({
      type: 'decision',
      outcome: decision.outcome,
      record,
      inputs: [...new Set(decision.references)],
      reasons: recordedReasons(decision.reasons),
      artifact: decision.artifactDigest,
      executionId,
      caller: { uid: caller.uid, gid: caller.gid, pid: caller.pid, cgroup: caller.cgroup, unit: caller.unit },
      use: decision.use && {
        issuer: decision.use.issuer,
        id: decision.use.id,
        maxUses: decision.use.maxUses,
      },
    })
  }

  /** Counts a denial that gets no entry of its own. Cheap, and bounded in memory. */
  count(uid: number, codes: readonly string[]): void {
    let entry = this.#counted.get(uid)
    if (entry === undefined) {
      if (this.#counted.size >= MAX_COUNTED_UIDS) return
      entry = { count: 0, reasons: new Map(), fromMs: Date.now() }
      this.#counted.set(uid, entry)
    }
    entry.count++
    for (const code of codes) entry.reasons.set(code, (entry.reasons.get(code) ?? 0) + 1)
    this.#timer ??= setTimeout(() => void this.flush(), COUNT_MS).unref()
  }

  /** Writes what was counted. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const counted = [...this.#counted]
    this.#counted.clear()
    for (const [uid, { count, reasons, fromMs }] of counted) {
      try {
        await this.#recorder.record({
          type: 'denials-counted',
          uid,
          count,
          reasonCounts: Object.fromEntries(reasons),
          from: rfc3339(fromMs),
          to: rfc3339(Date.now()),
        })
      } catch (error) {
        this.#keepCounting(uid, { count, reasons, fromMs })
        this.#onError(error)
      }
    }
  }

  /** What could not be written is written with the next count. */
  #keepCounting(uid: number, before: Counted): void {
    const since = this.#counted.get(uid)
    for (const [code, count] of since?.reasons ?? []) {
      before.reasons.set(code, (before.reasons.get(code) ?? 0) + count)
    }
    this.#counted.set(uid, { ...before, count: before.count + (since?.count ?? 0) })
    this.#timer ??= setTimeout(() => void this.flush(), COUNT_MS).unref()
  }

  async #store(decision: Decision, artifact: Buffer | null): Promise<string> {
    const [record] = await Promise.all([
      this.#lineage.putBlob(decision.record),
      // An artifact too long to be read is referred to by nothing, and not kept.
      artifact !== null && decision.references.length > 0 ? this.#keepArtifact(decision, artifact) : null,
    ])
    return record
  }

  async #keepArtifact(decision: Decision, artifact: Buffer): Promise<void> {
    if (decision.references.includes(sha256Hex(artifact))) await this.#lineage.putBlob(artifact)
  }

  #takeToken(uid: number): boolean {
    const nowMs = Date.now()
    const tokens = this.#tokens.get(uid) ?? { left: DENIAL_BURST, atMs: nowMs }
    const left = Math.min(DENIAL_BURST, tokens.left + ((nowMs - tokens.atMs) / 1000) * DENIALS_PER_SECOND)
    this.#tokens.set(uid, { left: left >= 1 ? left - 1 : left, atMs: nowMs })
    if (this.#tokens.size > MAX_COUNTED_UIDS) this.#tokens.clear()
    return left >= 1
  }
}
