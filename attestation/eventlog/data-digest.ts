import { type BankName, isBankDigest } from './bank.ts'
import type { TcgEvent } from './parse.ts'

/** By bank and event; gone with the event. */
const known = new Map<BankName, WeakMap<TcgEvent, boolean>>()

/**
 * Whether an event's digest in a bank is that of all of its data. An event never changes, so that each is hashed once in each bank, however many
 * readers ask: the replay, what decodes the data, and the statements about it.
 *
 * @returns false where the event has no digest in this bank
 * @throws TypeError for a bank that is not `replayable`
 */
export function hasDataDigest(event: TcgEvent, bank: BankName): boolean {
  const digest = event.digests.get(bank)
  if (digest === undefined) return false
  let events = known.get(bank)
  if (events === undefined) {
    events = new WeakMap()
    known.set(bank, events)
  }
  let has = events.get(event)
  if (has === undefined) {
    has = isBankDigest(digest, bank, event.data)
    events.set(event, has)
  }
  return has
}
