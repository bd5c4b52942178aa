import { ImaReplay } from '../ima/index.ts'
import type { VerifiedQuote } from '../quote/index.ts'
import { type AppraisalReason, failure } from './reason.ts'

/** What a quote has covered of an IMA log. */
interface Covered {
  readonly resetCount: number
  readonly restartCount: number
  readonly replay: ImaReplay
  readonly entries: number
}

/**
 * Within one boot IMA's log only grows: what a quote has covered stays as it was. Remembers that part, to name the entry where a later log
 * leaves it. Entries beyond a quote are not held against a host: on their way they can be changed by anybody.
 */
export class ImaContinuity {
  #covered: Covered | null = null

  /** Takes note of what a verified quote covers. */
  note({ clock }: VerifiedQuote, replay: ImaReplay, entries: number): void {
    const { resetCount, restartCount } = clock
    this.#covered = { resetCount, restartCount, replay, entries }
  }

  /** Where a log that no longer explains the quote leaves what was covered before; null when that is not known. */
  explain({ clock }: VerifiedQuote, log: ImaReplay | null): AppraisalReason | null {
    const before = this.#ofBoot(clock)
    if (before === null) return null
    const now = log ?? new ImaReplay()
    // Parts of a log that begin at different entries cannot be held against each other.
    if (now.first !== before.replay.first) return null
    const index = before.replay.firstDifference(now.bytes)
    if (index !== null && index < before.entries) {
      return failure(
        'IMA_LOG_REWRITTEN',
        `entry ${index} is not what it was when a quote of this boot covered it`,
        `entry ${index}`,
      )
    }
    if (index !== null || now.length >= before.entries) return null
    return failure(
      'IMA_LOG_SHORTENED',
      `the log ends before entry ${now.length}, and a quote of this boot covered ${before.entries} entries`,
      `entry ${now.length}`,
    )
  }

  #ofBoot({ resetCount, restartCount }: VerifiedQuote['clock']): Covered | null {
    const before = this.#covered
    return before?.resetCount === resetCount && before.restartCount === restartCount ? before : null
  }
}
