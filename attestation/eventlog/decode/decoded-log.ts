import type { BankName } from '../bank.ts'
import type { TcgEvent } from '../parse.ts'
import type { DecodedEvent } from './decoded.ts'
import { decodeEvent } from './event.ts'

/** An event with what its data say. */
export interface LoggedEvent {
  readonly event: TcgEvent
  readonly decoded: DecodedEvent
}

/** Decodes all events of a log, in order. */
export function decodeEvents(events: readonly TcgEvent[], bank: BankName): readonly LoggedEvent[] {
  return events.map(event => ({ event, decoded: decodeEvent(event, bank) }))
}
