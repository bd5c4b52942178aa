import * as v from 'valibot'
import { digest, integer, time } from './schema.ts'

/** What the table of uses says of one artifact. */
export const useViewSchema = v.strictObject({
  /** Permits under this payload so far, those that are being made durable included. */
  used: integer(0, Number.MAX_SAFE_INTEGER),
  /** Digest of another payload that was permitted under the same issuer and id. */
  otherPayload: v.nullable(digest),
  /**
   * Uses from before may be missing in the log: the daemon started then after an unclean stop whose tail no operator has accepted yet, or an
   * operator accepted then that files were put back.
   */
  uncleanSince: v.nullable(time),
})
export type UseView = v.InferOutput<typeof useViewSchema>

/** What a permit consumes. The lineage entry of the permit carries it, so that the table is a fold of the log. */
export interface UseClaim {
  /** SHA-256 of the decoded payload: base64 has several spellings and ECDSA signatures are malleable, the payload is one. */
  readonly payload: string
  readonly issuer: string
  readonly id: string
  /** Null: any number. */
  readonly maxUses: number | null
}

/** What a decision asks of the table. */
export interface UseLedger {
  view(claim: UseClaim): UseView
}

/** A use that is held until its permit is durable. Exactly one of the two is called. */
export interface UseReservation {
  /** The permit's entry is durable. */
  commit(): void
  /** The permit was never given: its entry is certain not to be in the log. */
  release(): void
}

interface Entry {
  committed: number
  reserved: number
}

/**
 * Uses that were consumed. In memory; rebuilt at start by {@link apply} for every permit of the lineage.
 *
 * Not for use from several threads. {@link reserve} looks and takes in one synchronous step, so that of two requests
 * for the last use exactly one gets it, whatever the two wait for before and after.
 */
export class UseTable implements UseLedger {
  readonly #uses = new Map<string, Entry>()
  /** `issuer NUL id` → payload digest. Neither can contain a NUL. */
  readonly #payloads = new Map<string, { payload: string; holders: number }>()
  #uncleanSince: string | null = null
  #lostBefore: string | null = null

  /** Folds one permit of the lineage. */
  apply(claim: Omit<UseClaim, 'maxUses'>): void {
    this.#entry(claim).committed += 1
    this.#hold(claim)
  }

  /**
   * Says that uses may have been lost before `time` (the start after an unclean stop), or, with null, that an operator
   * has accepted the tail of the log.
   */
  setUncleanSince(time: string | null): void {
    this.#uncleanSince = time
  }

  /** Says that uses from before `time` are lost, with files that were put back. No tail that is accepted brings them back. */
  setLostBefore(time: string): void {
    this.#lostBefore = later(this.#lostBefore, time)
  }

  view(claim: UseClaim): UseView {
    const entry = this.#uses.get(claim.payload)
    const holder = this.#payloads.get(key(claim))
    return {
      used: entry === undefined ? 0 : entry.committed + entry.reserved,
      otherPayload: holder === undefined || holder.payload === claim.payload ? null : holder.payload,
      uncleanSince: later(this.#uncleanSince, this.#lostBefore),
    }
  }

  /** Takes a use, or gives null when none is left or another payload has the id. */
  reserve(claim: UseClaim): UseReservation | null {
    const { used, otherPayload } = this.view(claim)
    if (otherPayload !== null || (claim.maxUses !== null && used >= claim.maxUses)) return null
    const entry = this.#entry(claim)
    entry.reserved += 1
    this.#hold(claim)
    let open = true
    const close = (): void => {
      if (!open) throw new Error('a use is committed or released once')
      open = false
      entry.reserved -= 1
    }
    return {
      commit: () => {
        close()
        entry.committed += 1
      },
      release: () => {
        close()
        if (entry.committed + entry.reserved === 0) this.#uses.delete(claim.payload)
        this.#letGo(claim)
      },
    }
  }

  #entry(claim: Pick<UseClaim, 'payload'>): Entry {
    const found = this.#uses.get(claim.payload)
    if (found !== undefined) return found
    const made = { committed: 0, reserved: 0 }
    this.#uses.set(claim.payload, made)
    return made
  }

  #hold(claim: Omit<UseClaim, 'maxUses'>): void {
    const holder = this.#payloads.get(key(claim))
    if (holder === undefined) this.#payloads.set(key(claim), { payload: claim.payload, holders: 1 })
    else if (holder.payload === claim.payload) holder.holders += 1
  }

  #letGo(claim: UseClaim): void {
    const holder = this.#payloads.get(key(claim))
    if (holder === undefined) return
    holder.holders -= 1
    if (holder.holders === 0) this.#payloads.delete(key(claim))
  }
}

/** Both are RFC 3339 in one fixed form, which sorts as time does. */
function later(one: string | null, other: string | null): string | null {
  if (one === null || other === null) return one ?? other
  return one > other ? one : other
}

function key({ issuer, id }: Pick<UseClaim, 'issuer' | 'id'>): string {
  return `${issuer}\0${id}`
}
