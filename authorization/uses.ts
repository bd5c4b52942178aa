import * as v from 'valibot'
import { sha256 } from '../encoding/digest.ts'
import { DigestTable } from '../encoding/digest-table.ts'
import { digest, integer, time } from './schema.ts'

/** What the table of uses says of one artifact. */
export const useViewSchema = v.strictObject({
  /** Permits under this payload so far, those that are being made durable included. */
  used: integer(0, Number.MAX_SAFE_INTEGER),
  /** Digest of another payload that was permitted under the same issuer and id. */
  otherPayload: v.nullable(digest),
  /**
   * Uses from before may be missing in the log: the daemon started then after an unclean stop whose tail no operator has accepted yet, or an
   * operator accepted then that files were put back. Also of an artifact whose validity has ended so long ago that its uses are not kept.
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
  /** @param notAfter the end of the artifact's validity */
  view(claim: UseClaim, notAfter: string): UseView
}

/** A use that is held until its permit is durable. Exactly one of the two is called. */
export interface UseReservation {
  /** The permit's entry is durable. */
  commit(): void
  /** The permit was never given: its entry is certain not to be in the log. */
  release(): void
}

/** What the log says of the uses of one artifact. */
export interface RecordedUses {
  /** SHA-256 of the payload. */
  readonly payload: Buffer
  /** SHA-256 of the issuer, a NUL and the id. */
  readonly name: Buffer
  readonly count: number
  /** The end of its validity, ms. */
  readonly notAfterMs: number
}

/** Of an artifact: its name, how often it was used (u32) and the end of its validity (u48). */
const USE_BYTES = 32 + 4 + 6
const MOST_USES = 0xffff_ffff

/**
 * Uses that were consumed. In memory, a hundred bytes for each artifact; rebuilt at start by {@link restore} from the permits of the lineage.
 *
 * Not for use from several threads. {@link reserve} looks and takes in one synchronous step, so that of two requests
 * for the last use exactly one gets it, whatever the two wait for before and after.
 *
 * It does not grow for ever: beyond a horizon, uses of artifacts whose validity ended before it are forgotten ({@link forgetBefore}). None of them comes back
 * by that. Such an artifact is expired, and stays denied as long as the clock is right; where the clock was set back, or had been ahead when the horizon was
 * drawn, its uses count as possibly lost, and one with limited uses is {@link UseView.uncleanSince | denied as replayed}, since it was valid before the
 * horizon. What an issuer's id stands for is forgotten with it: another artifact under that id has to be valid beyond the horizon, and so is one that the
 * issuer signed to be used later; it has its own uses, counted by its payload.
 */
export class UseTable implements UseLedger {
  /** By payload. */
  readonly #used = new DigestTable(USE_BYTES)
  /** Payload by name: the one that the log has. */
  readonly #payloads = new DigestTable(32)
  /** Uses that are being made durable, by payload. */
  readonly #reserved = new Map<string, number>()
  /** Names that these hold, with the payload. */
  readonly #held = new Map<string, { readonly payload: string; holders: number }>()
  #uncleanSince: string | null = null
  #lostBefore: string | null = null
  #horizonMs: number | null = null

  /** Artifacts whose uses are kept. */
  get size(): number {
    return this.#used.size
  }

  /** Folds one permit of the lineage. */
  apply(claim: Omit<UseClaim, 'maxUses'>, notAfter: string): void {
    const payload = Buffer.from(claim.payload, 'hex')
    this.restore({ payload, name: nameOf(claim), count: 1, notAfterMs: Date.parse(notAfter) })
  }

  /** Folds all uses that the lineage has of an artifact. */
  restore({ payload, name, count, notAfterMs }: RecordedUses): void {
    const value = Buffer.alloc(USE_BYTES)
    name.copy(value)
    value.writeUInt32BE(Math.min(MOST_USES, count + (this.#used.get(payload)?.readUInt32BE(32) ?? 0)), 32)
    value.writeUIntBE(notAfterMs, 36, 6)
    this.#used.set(payload, value)
    if (this.#payloads.get(name) === undefined) this.#payloads.set(name, payload)
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

  /**
   * Says that uses of artifacts whose validity ended before `time` are not kept. The horizon only moves on.
   *
   * @returns steps that let go of what is not kept, a small part each, for whoever does not want to be held up
   */
  *forgetBefore(time: string): Generator<void> {
    const horizonMs = Math.max(this.#horizonMs ?? 0, Date.parse(time))
    this.#horizonMs = horizonMs
    const isKept = (value: Buffer) => value.readUIntBE(36, 6) >= horizonMs
    for (let part = 0; part < this.#used.parts; part++) {
      this.#used.prune(part, (_, value) => isKept(value))
      yield
    }
    for (let part = 0; part < this.#payloads.parts; part++) {
      this.#payloads.prune(part, (_, payload) => this.#used.get(payload) !== undefined)
      yield
    }
  }

  view(claim: UseClaim, notAfter: string): UseView {
    const key = Buffer.from(claim.payload, 'hex')
    const name = nameOf(claim)
    const recorded = this.#used.get(key)?.readUInt32BE(32) ?? 0
    const holder =
      this.#payloads.get(name)?.toString('hex') ?? this.#held.get(name.toString('latin1'))?.payload
    const isForgotten = this.#horizonMs !== null && Date.parse(notAfter) < this.#horizonMs
    const forgotten = isForgotten ? new Date(this.#horizonMs ?? 0).toISOString() : null
    return {
      used: recorded + (this.#reserved.get(claim.payload) ?? 0),
      otherPayload: holder === undefined || holder === claim.payload ? null : holder,
      uncleanSince: later(later(this.#uncleanSince, this.#lostBefore), forgotten),
    }
  }

  /** Takes a use, or gives null when none is left or another payload has the id. */
  reserve(claim: UseClaim, notAfter: string): UseReservation | null {
    const { used, otherPayload } = this.view(claim, notAfter)
    if (otherPayload !== null || (claim.maxUses !== null && used >= claim.maxUses)) return null
    const name = nameOf(claim)
    this.#reserved.set(claim.payload, (this.#reserved.get(claim.payload) ?? 0) + 1)
    this.#hold(name.toString('latin1'), claim.payload)
    let open = true
    const close = (): void => {
      if (!open) throw new Error('a use is committed or released once')
      open = false
      const left = (this.#reserved.get(claim.payload) ?? 0) - 1
      if (left > 0) this.#reserved.set(claim.payload, left)
      else this.#reserved.delete(claim.payload)
      this.#letGo(name.toString('latin1'))
    }
    return {
      commit: () => {
        close()
        this.apply(claim, notAfter)
      },
      release: close,
    }
  }

  #hold(name: string, payload: string): void {
    const holder = this.#held.get(name)
    if (holder === undefined) this.#held.set(name, { payload, holders: 1 })
    else holder.holders += 1
  }

  #letGo(name: string): void {
    const holder = this.#held.get(name)
    if (holder === undefined) return
    holder.holders -= 1
    if (holder.holders === 0) this.#held.delete(name)
  }
}

/** Both are RFC 3339 in one fixed form, which sorts as time does. */
function later(one: string | null, other: string | null): string | null {
  if (one === null || other === null) return one ?? other
  return one > other ? one : other
}

/** What stands for an issuer and an id: neither can contain a NUL. */
function nameOf({ issuer, id }: Pick<UseClaim, 'issuer' | 'id'>): Buffer {
  return sha256(Buffer.from(`${issuer}\0${id}`))
}
