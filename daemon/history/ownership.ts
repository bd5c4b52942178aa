import type { Ownership } from '../core.ts'

/** Who asked for an execution, and through whose socket. */
export interface Asked {
  readonly callerUid: number
  readonly parentExecutionId: string | null
}

/** No caller's uid (setresuid(2)): what nobody is known to have asked for is for auditors. */
export const NOBODY = 0xffff_ffff

/** Whose executions are. */
export class Owners {
  readonly #asked = new Map<string, Asked>()

  /** Notes who asked for an execution. */
  own(executionId: string, asked: Asked): void {
    this.#asked.set(executionId, asked)
  }

  /** Who asked for it; undefined for an id that nobody asked for. */
  asked(executionId: string): Asked | undefined {
    return this.#asked.get(executionId)
  }

  /** Whose it is, what was asked for so. */
  ownerBy({ callerUid, parentExecutionId }: Asked): Ownership {
    const ancestors: string[] = []
    let outermost = callerUid
    for (let id = parentExecutionId; id !== null && !ancestors.includes(id); ) {
      ancestors.push(id)
      const above = this.#asked.get(id)
      outermost = above?.callerUid ?? NOBODY
      id = above?.parentExecutionId ?? null
    }
    return { callerUid: outermost, ancestors }
  }
}
