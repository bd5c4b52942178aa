import type { ObservedSubject } from '../authorization/index.ts'
import type { SubjectPath } from './launcher/types.ts'
import type { StageUser, SubjectStage } from './subject-stage.ts'

/** How long what was found at a path is good for a question about it. */
const GOOD_FOR_MS = 1000
const MAX_LOOKS = 256

interface Look {
  readonly observed: Promise<readonly ObservedSubject[]>
  readonly fromMs: number
}

/**
 * What would run, for those who only ask: hashed at most once a second for the same paths and user, however many ask and however
 * large the files are. Nothing runs by it. What runs is always hashed again, and a digest that has changed since denies it.
 */
export class RecentLooks {
  readonly #stage: SubjectStage
  readonly #nowMs: () => number
  readonly #looks = new Map<string, Look>()

  /** @param nowMs milliseconds of a clock that never goes back */
  constructor(stage: SubjectStage, nowMs: () => number = () => performance.now()) {
    this.#stage = stage
    this.#nowMs = nowMs
  }

  /** As {@link SubjectStage.stage}, and keeps nothing staged. What could not be opened is told to all who wait for it, and looked
   * for again by the next. */
  look(
    executionId: string,
    subjects: readonly SubjectPath[],
    user: StageUser,
  ): Promise<readonly ObservedSubject[]> {
    const key = JSON.stringify([user, subjects])
    const recent = this.#looks.get(key)
    if (recent !== undefined && this.#nowMs() - recent.fromMs < GOOD_FOR_MS) return recent.observed
    // Before anything is opened: the bytes are at least as new as this instant.
    const fromMs = this.#nowMs()
    const look = { observed: this.#hash(executionId, subjects, user), fromMs }
    this.#looks.delete(key)
    this.#looks.set(key, look)
    const forget = () => {
      if (this.#looks.get(key) === look) this.#looks.delete(key)
    }
    look.observed.then(observed => {
      if (observed.some(subject => 'error' in subject)) forget()
    }, forget)
    const oldest = this.#looks.keys().next().value
    if (this.#looks.size > MAX_LOOKS && oldest !== undefined) this.#looks.delete(oldest)
    return look.observed
  }

  async #hash(
    executionId: string,
    subjects: readonly SubjectPath[],
    user: StageUser,
  ): Promise<readonly ObservedSubject[]> {
    try {
      return await this.#stage.stage(executionId, subjects, user)
    } finally {
      this.#stage.abandon(executionId)
    }
  }
}
