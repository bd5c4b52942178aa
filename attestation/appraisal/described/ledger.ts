import type { StatedBoot } from '../../reference/boot-statements.ts'
import { type AppraisalReason, type AppraisalReasonCode, failure } from '../reason.ts'
import type { MeasuredBoot, MeasuredEvent } from './measured-boot.ts'

/**
 * The events of the PCRs that statements judge. Each statement takes the events that it accounts for, or complains of; what is left at the end
 * nobody accounted for.
 */
export class Ledger {
  readonly reasons: AppraisalReason[] = []
  readonly #left = new Map<number, MeasuredEvent[]>()

  constructor(boot: MeasuredBoot, { pcrs }: StatedBoot) {
    for (const { pcr, rule } of pcrs.values()) {
      if (rule === 'described') this.#left.set(pcr, [...(boot.byPcr.get(pcr) ?? [])])
    }
  }

  /** Whether statements judge this PCR. */
  isDescribed(pcr: number): boolean {
    return this.#left.has(pcr)
  }

  /** The events of one PCR that no statement has taken yet, in their order; none for a PCR that statements do not judge. */
  left(pcr: number): readonly MeasuredEvent[] {
    return this.#left.get(pcr) ?? []
  }

  /** Takes the events of a PCR for which `accounts` holds, in their order. */
  take(pcr: number, accounts: (event: MeasuredEvent) => boolean): readonly MeasuredEvent[] {
    const taken: MeasuredEvent[] = []
    const left = this.left(pcr).filter(event => {
      if (!accounts(event)) return true
      taken.push(event)
      return false
    })
    if (taken.length > 0) this.#left.set(pcr, left)
    return taken
  }

  /** Adds a failure. */
  fail(code: AppraisalReasonCode, message: string, at: string, expected?: string): void {
    this.reasons.push(failure(code, message, at, expected))
  }
}

/** How an event is named in a message. */
export function named({ label, digest, at }: MeasuredEvent): string {
  return `${at} (${label}, ${digest.slice(0, 16)}…)`
}

/** A list for people, cut off where it gets long. */
export function oneOf(names: readonly string[]): string {
  const distinct = [...new Set(names)]
  const shown = distinct.slice(0, 4).join(', ')
  return distinct.length > 4 ? `${shown} or ${distinct.length - 4} more` : shown
}
