import type { Grounds } from '../../authorization/index.ts'
import type { LineageEvent } from '../../lineage/index.ts'

/** What an entry says it rests on, as positions in the lineage. */
export type Links = Extract<LineageEvent, { type: 'decision' }>['links']

type Places = readonly (readonly [string, number])[]

/** All that {@link DecisionLinks} has, in its order. */
export interface LinksState {
  readonly policies: Places
  readonly trustRoots: Places
  readonly starts: Places
}

/** Documents of a kind that are remembered: a decision looks at one moment before its entry, in which at most a few can have changed. */
const KEPT = 8

/**
 * Where what decisions rest on stands in the log: a fold of it, and of what is appended since. A decision names the documents that it
 * looked at by digest, which are found here by it: another one may have come into force before the decision has its entry.
 */
export class DecisionLinks {
  /** Position by digest of the envelope, the newest last. */
  readonly #policies: Map<string, number>
  readonly #trustRoots: Map<string, number>
  /** Of the executions that have not ended. */
  readonly #starts: Map<string, number>

  /** @param state what the entries before add up to, as {@link state} gave it */
  constructor(state: LinksState = { policies: [], trustRoots: [], starts: [] }) {
    this.#policies = new Map(state.policies)
    this.#trustRoots = new Map(state.trustRoots)
    this.#starts = new Map(state.starts)
  }

  /** What the entries so far add up to. */
  get state(): LinksState {
    const [policies, trustRoots, starts] = [[...this.#policies], [...this.#trustRoots], [...this.#starts]]
    return { policies, trustRoots, starts }
  }

  /** Takes the next entry. */
  apply(index: number, event: LineageEvent): void {
    switch (event.type) {
      case 'policy':
        keep(this.#policies, event.blob, index)
        return
      case 'trust-roots':
        keep(this.#trustRoots, event.blob, index)
        return
      case 'rollback-accepted':
      case 'epoch-accepted':
        // What was in force before has to be loaded again.
        this.#policies.clear()
        this.#trustRoots.clear()
        return
      case 'execution-start':
        this.#starts.set(event.executionId, index)
        return
      case 'execution-end':
        this.#starts.delete(event.executionId)
        return
      default:
        return
    }
  }

  /**
   * The links of a decision.
   *
   * @param parent the execution through whose socket it was asked for. Null is given for one that has ended, or never ran
   */
  of({ policy, trustRoots, appraisal }: Grounds, parent: string | null): Links {
    return {
      policy: (policy === null ? undefined : this.#policies.get(policy)) ?? null,
      trustRoots: (trustRoots === null ? undefined : this.#trustRoots.get(trustRoots)) ?? null,
      appraisal: appraisal === null ? null : Number(appraisal),
      parent: (parent === null ? undefined : this.#starts.get(parent)) ?? null,
    }
  }
}

function keep(map: Map<string, number>, digest: string, index: number): void {
  map.delete(digest)
  map.set(digest, index)
  const oldest = map.keys().next().value
  if (map.size > KEPT && oldest !== undefined) map.delete(oldest)
}
