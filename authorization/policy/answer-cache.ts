/** What the policy says. `failed` is a denial too: a `forbid` that fails to evaluate is skipped by Cedar. */
export type PolicyAnswer =
  | { readonly outcome: 'allow'; readonly determining: readonly string[] }
  | { readonly outcome: 'deny'; readonly determining: readonly string[] }
  | { readonly outcome: 'failed'; readonly failed: readonly string[]; readonly message: string }

/** Most answers that are kept, and the longest question that one is kept for: together at most some 4 MiB. */
const MAX_ANSWERS = 1024
const MAX_KEY_LENGTH = 4096

/**
 * What the policy said, by what it was asked. Under the shipped schema Cedar's answer depends on nothing else, so whoever asks the
 * same again gets the same without another evaluation. A failure is not kept. The oldest answer makes room.
 */
export class AnswerCache {
  readonly #answers = new Map<string, PolicyAnswer>()

  /** @param key all that the answer depends on */
  get(key: string, ask: () => PolicyAnswer): PolicyAnswer {
    const known = this.#answers.get(key)
    if (known !== undefined) return known
    const answer = ask()
    if (answer.outcome === 'failed' || key.length > MAX_KEY_LENGTH) return answer
    this.#answers.set(key, answer)
    const oldest = this.#answers.keys().next().value
    if (this.#answers.size > MAX_ANSWERS && oldest !== undefined) this.#answers.delete(oldest)
    return answer
  }
}
