import { LineageError } from '../error.ts'
import { type LineageEvent, parseEvent } from '../events/index.ts'
import type { CheckpointChain } from './checkpoints.ts'
import { NamedBlobs } from './dropped.ts'
import { EpochCheck } from './epochs.ts'
import type { RecentTrees } from './recent-trees.ts'
import { failed, failedBy, type PropertyResult, verified } from './result.ts'

export const EVENTS = 'events'

/** Reads every entry as an event and gathers what other steps need. A fault is kept, so that the pass over the tree goes on. */
export class EventCheck {
  /** What events refer to, and what they say was dropped. */
  readonly blobs = new NamedBlobs()
  /** The distinct keys and hosts that the daemon's starts name. */
  readonly logKeys = new Set<string>()
  readonly hosts = new Set<string>()
  readonly epochs = new EpochCheck()
  #count = 0
  #fault: PropertyResult | undefined
  readonly #visit: (event: LineageEvent, index: number) => void

  readonly #chain: Pick<CheckpointChain, 'take'>

  constructor(visit: (event: LineageEvent, index: number) => void, chain: Pick<CheckpointChain, 'take'>) {
    this.#visit = visit
    this.#chain = chain
  }

  readonly take = (entry: Buffer, index: number, file: string, trees: RecentTrees): void => {
    if (this.#fault !== undefined) return
    try {
      const event = parseEvent(entry)
      this.blobs.take(event, index)
      this.epochs.take(event, index)
      if (event.type === 'daemon-start') {
        this.logKeys.add(event.logKeySpki)
        this.hosts.add(event.hostId)
      }
      this.#chain.take(event, index, trees)
      this.#visit(event, index)
      this.#count++
    } catch (error) {
      const { detail } = failedBy(EVENTS, error, file)
      const where = error instanceof LineageError && error.code === 'EVENT_INVALID' ? error.at : undefined
      const what = where === undefined ? detail : `${where}: ${detail}`
      this.#fault = failed(EVENTS, `entry ${index}: ${what}`, file)
    }
  }

  result(): PropertyResult {
    return (
      this.#fault ?? verified(EVENTS, `${this.#count} events, each of a known type and in its one encoding`)
    )
  }
}
