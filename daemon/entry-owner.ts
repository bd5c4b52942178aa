import { type Lineage, type LineageEvent, parseEvent, peekType } from '../lineage/index.ts'
import type { OwnedEntry, Ownership } from './core.ts'
import { ownerBelow } from './history/ownership.ts'

/** Permits whose owner is remembered: what belongs to an execution is mostly close together in the log. */
const REMEMBERED = 1024
/** How deep executions may be below each other; beyond, nobody knows whose they are. */
const MAX_DEPTH = 256

/** Says whose entries of the lineage are. It finds that in the log itself, by the permit that an entry names: nothing is kept for each execution. */
export class EntryOwners {
  readonly #lineage: Pick<Lineage, 'entry'>
  readonly #known: (executionId: string) => Ownership | undefined
  readonly #byPermit = new Map<number, { readonly executionId: string | null; readonly owner: Ownership }>()

  /** @param known whose an execution is that is remembered for other reasons */
  constructor(
    lineage: Pick<Lineage, 'entry'>,
    known: (executionId: string) => Ownership | undefined = () => undefined,
  ) {
    this.#lineage = lineage
    this.#known = known
  }

  /** Whose the entry of this index is; null if nobody's in particular. @throws LineageError */
  async of(index: bigint, bytes: Buffer): Promise<Ownership | null> {
    const event = parseEvent(bytes)
    switch (event.type) {
      case 'decision': {
        const owner = await this.#decided(event, 0)
        // What follows it asks for it.
        if (event.outcome === 'permit') this.#remember(Number(index), event.executionId, owner)
        return owner
      }
      case 'renewal':
        return this.#decided(event, 0)
      case 'denials-counted':
        return { callerUid: event.uid, ancestors: [] }
      case 'execution-start':
      case 'execution-end':
      case 'freeze':
      case 'hand-over':
      case 'adoption':
      case 'kill-sent':
        return (await this.#permitted(event.decision, event.executionId, 0)) ?? null
      case 'thaw': {
        const renewal = await this.#event(event.renewal)
        return renewal?.type === 'renewal' && renewal.executionId === event.executionId
          ? this.#decided(renewal, 0)
          : null
      }
      default:
        return null
    }
  }

  /** Whose an execution is that this entry is said to permit; null if it is another entry. @throws LineageError */
  async byPermit(index: bigint, executionId: string): Promise<Ownership | null> {
    return (await this.#permitted(Number(index), executionId, 0)) ?? null
  }

  /** Whose an execution is, by its permit; undefined if that entry is another one. */
  async #permitted(index: number, executionId: string, depth: number): Promise<Ownership | undefined> {
    const remembered = this.#byPermit.get(index)
    if (remembered !== undefined) return remembered.executionId === executionId ? remembered.owner : undefined
    const permit = await this.#event(index)
    const isIt =
      permit?.type === 'decision' && permit.outcome === 'permit' && permit.executionId === executionId
    if (!isIt) return undefined
    const owner = await this.#decided(permit, depth)
    this.#remember(index, executionId, owner)
    return owner
  }

  #remember(index: number, executionId: string | null, owner: Ownership): void {
    const oldest = this.#byPermit.size >= REMEMBERED ? this.#byPermit.keys().next().value : undefined
    if (oldest !== undefined) this.#byPermit.delete(oldest)
    this.#byPermit.set(index, { executionId, owner })
  }

  async #decided(
    { caller, links }: LineageEvent & { readonly type: 'decision' | 'renewal' },
    depth: number,
  ): Promise<Ownership> {
    const { uid, parent } = caller
    const known = parent === null ? undefined : this.#known(parent)
    if (parent === null || known !== undefined || links.parent === null || depth >= MAX_DEPTH)
      return ownerBelow(uid, parent, known)
    const start = await this.#event(links.parent)
    const isIt = start?.type === 'execution-start' && start.executionId === parent
    const above = isIt ? await this.#permitted(start.decision, parent, depth + 1) : undefined
    return ownerBelow(uid, parent, above)
  }

  /** An entry; undefined if the log has none there. */
  async #event(index: number): Promise<LineageEvent | undefined> {
    const bytes = await this.#lineage.entry(BigInt(index)).catch(() => undefined)
    return bytes && parseEvent(bytes)
  }
}

/**
 * Entries of some types, each with whose it is; of all where none are named. Whoever does not wait for them any more ends the reading, also where
 * none of the entries is of these types.
 */
export async function* ownedEntries(
  lineage: Pick<Lineage, 'readEntries'>,
  owners: Pick<EntryOwners, 'of'>,
  {
    from,
    to,
    types,
    signal,
  }: {
    readonly from: bigint
    readonly to: bigint
    readonly types?: ReadonlySet<string> | undefined
    readonly signal?: AbortSignal | undefined
  },
): AsyncGenerator<OwnedEntry> {
  const all = types === undefined || types.size === 0
  for (let at = from; at < to && signal?.aborted !== true; ) {
    const entries = await lineage.readEntries(at, to)
    for (const { index, bytes } of entries) {
      if (all || types.has(peekType(bytes) ?? ''))
        yield { index, bytes, owner: await owners.of(index, bytes) }
    }
    at += BigInt(entries.length)
  }
}
