import { type BankName, isBankDigest } from '../bank.ts'
import { hasDataDigest } from '../data-digest.ts'
import { EVENT_TYPE } from '../event-type.ts'
import type { TcgEvent } from '../parse.ts'
import type { Coverage } from './field.ts'

/** What is known of the digest that an event extended its PCR with. */
export interface Measured {
  /** The bank that the log is read by: the one that was quoted. */
  readonly bank: BankName
  /** Null when the event extended nothing, or nobody here can compute its hash: then nothing in it is attested. */
  readonly digest: Buffer | null
  /** Whether the digest is that of all of the event's data. */
  readonly data: boolean
}

/** EV_NO_ACTION extends nothing, and a bank without a digest or without a known hash says nothing. */
export function measured(event: TcgEvent, bank: BankName): Measured {
  const extended = event.type !== EVENT_TYPE.EV_NO_ACTION && !bank.startsWith('0x')
  const digest = (extended ? event.digests.get(bank) : undefined) ?? null
  return { bank, digest, data: digest !== null && hasDataDigest(event, bank) }
}

/** Whether these bytes are what was measured. */
export function isMeasured(bytes: Uint8Array, { bank, digest }: Pick<Measured, 'bank' | 'digest'>): boolean {
  return digest !== null && isBankDigest(digest, bank, bytes)
}

/**
 * The part of an event's data that its digest is the hash of: all of it, else the first of the `parts` that is, else none. Which part
 * is to be measured depends on who measured, so every candidate is tried and nothing is believed.
 */
export function coverage(data: Buffer, by: Measured, parts: readonly Coverage[] = []): Coverage | null {
  if (by.data) return { from: 0, to: data.length }
  return (
    parts.find(
      ({ from, to }) => from <= to && to <= data.length && isMeasured(data.subarray(from, to), by),
    ) ?? null
  )
}
