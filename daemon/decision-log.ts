import { type Caller, type Decision, sentArtifact } from '../authorization/index.ts'
import { sha256Hex } from '../encoding/digest.ts'
import { type Lineage, MAX_INLINE_BYTES } from '../lineage/index.ts'
import type { DecisionLinks } from './history/decision-links.ts'
import { type Recorder, recordedReasons, rfc3339 } from './recorder.ts'

/** Denials of one uid that get an entry of their own at once, and how many more each second. */
const DENIAL_BURST = 50
const DENIALS_PER_SECOND = 5
/** Bytes of records and artifacts that these entries of one uid may bring along at once, and how many more each second: some 700 MB a day. */
const DENIAL_BYTE_BURST = 2 << 20
const DENIAL_BYTES_PER_SECOND = 8 << 10
/** How long denials are counted before the count is written. */
const COUNT_MS = 5_000
/** Artifacts that are remembered as being in the log, or in the evidence store. */
const MAX_KNOWN_ARTIFACTS = 4096
/** Most uids that are counted apart. Beyond them the kernel itself has run out of callers worth telling apart. */
const MAX_COUNTED_UIDS = 4096

/** The part of a pino logger that is used. */
export interface DecisionLogger {
  warn(fields: object, message: string): void
  error(fields: { err: unknown }, message: string): void
}

/** What an entry says of a caller. */
type DecidedCaller = Pick<Caller, 'uid' | 'gid' | 'pid' | 'cgroup' | 'unit' | 'parentExecution'>

interface Tokens {
  left: number
  bytes: number
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
  readonly #links: DecisionLinks
  readonly #tokens = new Map<number, Tokens>()
  readonly #counted = new Map<number, Counted>()
  readonly #log: DecisionLogger
  #timer: NodeJS.Timeout | undefined
  /** Digests of artifacts that an entry carries, and of those that are in the evidence store. */
  readonly #carried = new Set<string>()
  readonly #stored = new Set<string>()

  constructor(lineage: Lineage, recorder: Recorder, links: DecisionLinks, log: DecisionLogger) {
    this.#lineage = lineage
    this.#recorder = recorder
    this.#links = links
    this.#log = log
  }

  /**
   * Makes a decision durable, mostly with one sync: its entry carries the record, and an artifact that is seen for the first
   * time. What does not fit goes to the evidence store first. For a permit that consumes a use, this entry is the consumption.
   *
   * @param caller the uid counts for the rate of denials
   * @returns the entry's index; null for a denial that was counted instead
   * @throws LineageError; then it is not certain whether the entry is in the log
   */
  async write(
    decision: Decision,
    caller: Caller,
    executionId: string,
    artifact: Uint8Array | null,
  ): Promise<bigint | null> {
    if (decision.outcome === 'permit') return this.#write(decision, caller, executionId, artifact)
    const codes = decision.reasons.map(reason => reason.code)
    if (!this.#takeToken(caller.uid, decision.record.length + (artifact?.length ?? 0))) {
      this.count(caller.uid, codes)
      return null
    }
    try {
      return await this.#write(decision, caller, executionId, artifact)
    } catch (error) {
      // For want of room, perhaps. It is not lost: where there is room again the count is written.
      this.count(caller.uid, codes)
      throw error
    }
  }

  async #write(
    decision: Decision,
    caller: Caller,
    executionId: string,
    artifact: Uint8Array | null,
  ): Promise<bigint> {
    return this.#recorder.record({
      type: 'decision',
      ...(await this.#decided(decision, caller, artifact)),
      executionId,
      use: decision.use && {
        issuer: decision.use.issuer,
        id: decision.use.id,
        maxUses: decision.use.maxUses,
        notAfter: notAfterOf(decision),
      },
    })
  }

  /**
   * Makes a decision on what was permitted before durable. They come as often as the gate opens and policy changes, not as callers like, so
   * that none is only counted.
   *
   * @throws LineageError
   */
  async writeRenewal(
    decision: Decision,
    caller: DecidedCaller,
    executionId: string,
    artifact: Uint8Array | null,
  ): Promise<bigint> {
    const decided = await this.#decided(decision, caller, artifact)
    return this.#recorder.record({ type: 'renewal', ...decided, executionId })
  }

  async #decided(decision: Decision, caller: DecidedCaller, artifact: Uint8Array | null) {
    const { record, inline } = await this.#keep(decision, artifact)
    return {
      outcome: decision.outcome,
      record,
      inputs: [...new Set(decision.references)],
      inline,
      reasons: recordedReasons(decision.reasons),
      artifact: decision.artifactDigest,
      caller: {
        ...{ uid: caller.uid, gid: caller.gid, pid: caller.pid, cgroup: caller.cgroup, unit: caller.unit },
        parent: caller.parentExecution,
      },
      links: this.#links.of(decision.grounds, caller.parentExecution),
    }
  }

  /** Counts a denial that gets no entry of its own, or several like it. Cheap, and bounded in memory. */
  count(uid: number, codes: readonly string[], times = 1): void {
    let entry = this.#counted.get(uid)
    if (entry === undefined) {
      if (this.#counted.size >= MAX_COUNTED_UIDS) return
      entry = { count: 0, reasons: new Map(), fromMs: Date.now() }
      this.#counted.set(uid, entry)
    }
    entry.count += times
    for (const code of codes) entry.reasons.set(code, (entry.reasons.get(code) ?? 0) + times)
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
        this.#log.warn(
          { event: 'denials-counted', uid, count, reason: [...reasons.keys()] },
          'denials beyond the rate of one uid were counted',
        )
      } catch (error) {
        this.#keepCounting(uid, { count, reasons, fromMs })
        this.#log.error({ err: error }, 'counted denials were not recorded')
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

  /** Sees to it that the record and the artifact are in the entry, or in the evidence store before it. */
  async #keep(
    decision: Decision,
    artifact: Uint8Array | null,
  ): Promise<{ record: string; inline: Readonly<Record<string, string>> }> {
    const record = sha256Hex(decision.record)
    const inline: Record<string, string> = {}
    // The decision on a child refers to its parent's record, so that one is a blob of its own.
    const maybeParent = decision.terms !== null && decision.terms.children !== 'none'
    const fits = decision.record.length <= MAX_INLINE_BYTES && !maybeParent
    if (fits) inline[record] = decision.record.toString('base64')
    await Promise.all([
      fits ? null : this.#lineage.putBlob(decision.record),
      this.#keepArtifact(decision, artifact, MAX_INLINE_BYTES - (fits ? decision.record.length : 0), inline),
    ])
    return { record, inline }
  }

  async #keepArtifact(
    decision: Decision,
    artifact: Uint8Array | null,
    room: number,
    inline: Record<string, string>,
  ): Promise<void> {
    const digest = artifact === null ? '' : sentArtifact(artifact).digest
    // An artifact too long to be read is referred to by nothing, and not kept.
    if (artifact === null || !decision.references.includes(digest)) return
    if (this.#stored.has(digest) && this.#lineage.holdBlob(digest)) return
    // One that comes back is worth a file of its own; most are used once.
    if (artifact.length <= room && !this.#carried.has(digest)) {
      inline[digest] = Buffer.from(artifact).toString('base64')
      remember(this.#carried, digest)
    } else {
      await this.#lineage.putBlob(artifact)
      remember(this.#stored, digest)
      this.#carried.delete(digest)
    }
  }

  /** Takes one denial and its bytes. The last one may go into debt, so that a large one is recorded at all. */
  #takeToken(uid: number, bytes: number): boolean {
    const nowMs = Date.now()
    const full = { left: DENIAL_BURST, bytes: DENIAL_BYTE_BURST, atMs: nowMs }
    const before = this.#tokens.get(uid) ?? full
    const seconds = Math.max(0, nowMs - before.atMs) / 1000
    const tokens = {
      left: Math.min(DENIAL_BURST, before.left + seconds * DENIALS_PER_SECOND),
      bytes: Math.min(DENIAL_BYTE_BURST, before.bytes + seconds * DENIAL_BYTES_PER_SECOND),
      atMs: nowMs,
    }
    const takes = tokens.left >= 1 && tokens.bytes > 0
    if (takes) {
      tokens.left--
      tokens.bytes -= bytes
    }
    this.#tokens.set(uid, tokens)
    if (this.#tokens.size > MAX_COUNTED_UIDS) this.#tokens.clear()
    return takes
  }
}

/** The end of the validity of what a permit uses. */
function notAfterOf({ statement }: Decision): string {
  if (statement === null) throw new Error('a use is one of an artifact')
  return statement.predicate.validity.notAfter
}

/** Adds to a set of bounded size, which loses what has been in it longest. */
function remember(set: Set<string>, digest: string): void {
  set.add(digest)
  const oldest = set.values().next().value
  if (set.size > MAX_KNOWN_ARTIFACTS && oldest !== undefined) set.delete(oldest)
}
