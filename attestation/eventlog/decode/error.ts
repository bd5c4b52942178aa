import { WritError } from '../../../encoding/error.ts'

/** Why the data of an event is not what its type calls for. */
export type EventDataErrorCode = 'EVENT_DATA_MALFORMED' | 'EVENT_DATA_TOO_LARGE'

/**
 * Event data that cannot be read as what its type calls for. It stays inside the decoders: their callers get an `undecodable` event.
 * `offset` counts from the start of the event's data.
 */
export class EventDataError extends WritError<EventDataErrorCode> {}

/** Data that is not what it has to be. */
export function malformed(what: string, offset: number): EventDataError {
  return new EventDataError('EVENT_DATA_MALFORMED', `${what}, at offset ${offset}`, {
    at: `@${offset}`,
    offset,
  })
}

/** More than is read. */
export function tooLarge(what: string, offset: number): EventDataError {
  return new EventDataError('EVENT_DATA_TOO_LARGE', `${what}, at offset ${offset}`, {
    at: `@${offset}`,
    offset,
  })
}
