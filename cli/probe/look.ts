/** What came of looking at something of the host: the thing, or why it was not seen. */
export type Look<T> = Seen<T> | Unseen

export interface Seen<T> {
  readonly seen: true
  readonly value: T
}

export interface Unseen {
  readonly seen: false
  /**
   * `missing`: it is not there. `denied`: whoever runs this may not look, root may. `unsupported`: this host has no such thing, or
   * these probes do not reach it. `failed`: it is there and did not answer.
   */
  readonly why: 'missing' | 'denied' | 'unsupported' | 'failed'
  /** For people; one clause without a full stop. */
  readonly reason: string
  /** What the system or the TPM called it: `EBUSY`, `TPM_TIMEOUT`; null where there is no such name. */
  readonly code: string | null
}

export function seen<T>(value: T): Seen<T> {
  return { seen: true, value }
}

export function unseen(why: Unseen['why'], reason: string, code: string | null = null): Unseen {
  return { seen: false, why, reason, code }
}

/** The value, or null where it was not seen. */
export function valueIn<T>(look: Look<T>): T | null {
  return look.seen ? look.value : null
}

/** What `work` makes of the value; what was not seen stays so. */
export function lookFurther<T, U>(look: Look<T>, work: (value: T) => U): Look<U> {
  return look.seen ? seen(work(look.value)) : look
}
