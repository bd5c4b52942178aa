import { type ExecutionOwner, NOBODY } from '../../lineage/index.ts'
import type { Ownership } from '../core.ts'

/** Who asked for an execution, and through whose socket. */
export interface Asked {
  readonly callerUid: number
  readonly parentExecutionId: string | null
}

/** Whose executions are: of those that go on, and of those that whoever knows of executions has not forgotten. The log knows of all. */
export class Owners {
  readonly #owners = new Map<string, Ownership>()

  /** @param ongoing executions that were going on when the log was last written */
  constructor(ongoing: readonly (ExecutionOwner & { readonly executionId: string })[] = []) {
    for (const { executionId, uid, ancestors } of ongoing)
      this.#owners.set(executionId, { callerUid: uid, ancestors })
  }

  /** Executions whose owner is known. */
  get size(): number {
    return this.#owners.size
  }

  /** Notes who asked for an execution. The one through whose socket it was asked for goes on. */
  own(executionId: string, asked: Asked): void {
    this.#owners.set(executionId, this.ownerBy(asked))
  }

  /** It has ended, and nobody asks for it by its id any more. */
  forget(executionId: string): void {
    this.#owners.delete(executionId)
  }

  /** Whose an execution is; undefined for one that is not known. */
  of(executionId: string): Ownership | undefined {
    return this.#owners.get(executionId)
  }

  /** Whose it is, what was asked for so. */
  ownerBy({ callerUid, parentExecutionId }: Asked): Ownership {
    return ownerBelow(
      callerUid,
      parentExecutionId,
      parentExecutionId === null ? undefined : this.of(parentExecutionId),
    )
  }
}

/**
 * Whose it is, what was asked for through the socket of an execution, or on the main socket (null).
 *
 * @param above whose that execution is; undefined: nobody knows
 */
export function ownerBelow(uid: number, parent: string | null, above: Ownership | undefined): Ownership {
  if (parent === null) return { callerUid: uid, ancestors: [] }
  return { callerUid: above?.callerUid ?? NOBODY, ancestors: [parent, ...(above?.ancestors ?? [])] }
}
