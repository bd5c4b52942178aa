import { hash } from 'node:crypto'
import type { HashAlgorithm } from '../../tpm2/structures/index.ts'
import { EVENT_TYPE } from '../event-type.ts'
import type { TcgEvent } from '../parse.ts'
import type { Coverage } from './field.ts'

/** What is known of the digest that an event extended its PCR with. */
export interface Measured {
  /** The bank that the log is read by: the one that was quoted. */
  readonly bank: HashAlgorithm
  /** Null when the event extended nothing, so that nothing in it is attested. */
  readonly digest: Buffer | null
}

/** EV_NO_ACTION extends nothing, and a bank without a digest says nothing. */
export function measured(event: TcgEvent, bank: HashAlgorithm): Measured {
  const digest = event.type === EVENT_TYPE.EV_NO_ACTION ? undefined : event.digests.get(bank)
  return { bank, digest: digest ?? null }
}

/** Whether these bytes are what was measured. */
export function isMeasured(bytes: Uint8Array, { bank, digest }: Measured): boolean {
  return digest !== null && hash(bank, bytes, 'buffer').equals(digest)
}

/**
 * The part of an event's data that its digest is the hash of: all of it, else the first of the `parts` that is, else none. Which part
 * is to be measured depends on who measured, so every candidate is tried and nothing is believed.
 */
export function coverage(data: Buffer, by: Measured, parts: readonly Coverage[] = []): Coverage | null {
  const whole = { from: 0, to: data.length }
  return (
    [whole, ...parts].find(
      ({ from, to }) => from <= to && to <= data.length && isMeasured(data.subarray(from, to), by),
    ) ?? null
  )
}
