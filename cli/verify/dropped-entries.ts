import { wasDropped } from './dropped.ts'
import type { Holds, NotLookedAt } from './steps.ts'

/** Entries that one step could not look at again, for want of evidence that was dropped. */
export class DroppedEntries {
  #count = 0
  #first = 0
  #last = 0

  /** Notes an entry; several times is once, in the order of the log. */
  note(index: number): void {
    if (this.#count > 0 && index === this.#last) return
    if (this.#count === 0) this.#first = index
    this.#count++
    this.#last = index
  }

  /** Gives what `work` gives, or undefined where it fails for want of dropped evidence. */
  async unless<T>(index: number, work: () => T | Promise<T>): Promise<T | undefined> {
    try {
      return await work()
    } catch (error) {
      if (!wasDropped(error)) throw error
      this.note(index)
      return undefined
    }
  }

  /** What a step found: with entries that it could not look at it does not hold, and has not failed. */
  result(detail: string): Holds | NotLookedAt {
    if (this.#count === 0) return { detail }
    const which =
      this.#count === 1
        ? `entry ${this.#first} could not be looked at again: its`
        : `${this.#count} entries, ${this.#first} to ${this.#last}, could not be looked at again: their`
    return { notChecked: `${which} evidence is not kept any longer; of the others: ${detail}`, dropped: true }
  }
}
