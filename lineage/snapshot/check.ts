import { createHash } from 'node:crypto'
import { LineageError } from '../error.ts'
import type { LineageEvent } from '../events/index.ts'
import { failed, type PropertyResult, verified } from '../verify/result.ts'
import type { MakeClock } from './clock.ts'
import { snapshotPieces } from './form.ts'
import { Tally } from './tally.ts'

const SNAPSHOTS = 'snapshots'

/** Most entries between what a snapshot adds up and its own. */
export const SNAPSHOT_LAG = 16_384

type SnapshotEvent = LineageEvent & { readonly type: 'snapshot' }

/**
 * Adds up the entries again and holds every snapshot against that. Nothing of a snapshot is believed, and its blob is not needed: the digest that
 * its entry names is that of what the entries add up to, or it is wrong.
 */
export class SnapshotCheck {
  readonly #tally: Tally
  /** Entries that the next snapshot may leave out; that at `#first` comes next. */
  #waiting: LineageEvent[] = []
  #first = 0
  #count = 0
  #fault: string | undefined

  /**
   * @param makeClock judges the wall clock as a daemon does
   * @param from what the entries before the first that is taken add up to; left out: that is the first of all. Nobody adds to it besides
   */
  constructor(makeClock: MakeClock, from: Tally = new Tally(makeClock)) {
    this.#tally = from
  }

  /** Takes the next entry. */
  take(event: LineageEvent, index: number): void {
    if (this.#fault !== undefined) return
    if (event.type === 'snapshot') {
      const fault = this.#judge(event, index)
      if (fault !== undefined) this.#fault = `entry ${index}: ${fault}`
      this.#count++
    }
    this.#waiting.push(slim(event))
    this.#addUpTo(index + 1 - SNAPSHOT_LAG)
  }

  /** What became of the property, when all entries have been taken. */
  result(): PropertyResult {
    if (this.#fault !== undefined) return failed(SNAPSHOTS, this.#fault)
    if (this.#count === 0) return verified(SNAPSHOTS, 'there are none')
    return verified(SNAPSHOTS, `${this.#count}, each what the entries before it add up to`)
  }

  #judge({ size, digest, previous, horizon }: SnapshotEvent, index: number): string | undefined {
    const tally = this.#tally
    if (size > index || index - size >= SNAPSHOT_LAG) return `a snapshot of ${size} entries`
    if (size < tally.size) return `a snapshot of ${size} entries after one of ${tally.size}`
    this.#addUpTo(size)
    if (previous !== tally.snapshot) return 'a snapshot that names another one as the one before'
    const horizonMs = tally.nextHorizonMs()
    if (horizon !== (horizonMs === null ? null : new Date(horizonMs).toISOString()))
      return 'a snapshot that lets other uses go than those of artifacts that ended long ago'
    return digestOf(tally) === digest ? undefined : 'a snapshot of something else than the entries add up to'
  }

  #addUpTo(size: number): void {
    while (this.#tally.size < size) {
      this.#tally.add(this.#waiting[this.#first] as LineageEvent)
      this.#first++
    }
    if (this.#first < SNAPSHOT_LAG) return
    this.#waiting = this.#waiting.slice(this.#first)
    this.#first = 0
  }
}

/** SHA-256 of its snapshot; undefined if more counts than one takes: then nobody can have written it. */
function digestOf(tally: Tally): string | undefined {
  const hash = createHash('sha256')
  try {
    for (const piece of snapshotPieces(tally)) hash.update(piece)
  } catch (error) {
    if (error instanceof LineageError) return undefined
    throw error
  }
  return hash.digest('hex')
}

/** An event without what is large and adds up to nothing. */
function slim(event: LineageEvent): LineageEvent {
  if (event.type !== 'decision' && event.type !== 'renewal') return event
  return { ...event, inline: {}, inputs: [], reasons: [] }
}
