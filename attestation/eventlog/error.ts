import { WritError } from '../../encoding/error.ts'

/** Why bytes are not a TCG event log, or not one of the formats that the caller takes. */
export type EventLogErrorCode =
  | 'EVENT_LOG_TRUNCATED'
  | 'EVENT_LOG_SPEC_ID_MISSING'
  | 'EVENT_LOG_SPEC_ID_MALFORMED'
  | 'EVENT_LOG_SPEC_ID_REPEATED'
  | 'EVENT_LOG_DIGESTS_MALFORMED'
  | 'EVENT_LOG_BANK_MISSING'
  | 'EVENT_LOG_TOO_LARGE'

/** Bytes that are not a TCG event log. `at` is the event's index, `offset` the byte at which that event begins. */
export class EventLogError extends WritError<EventLogErrorCode> {}
