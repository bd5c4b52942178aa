export { EventLogError, type EventLogErrorCode } from './error.ts'
export { eventTypeName } from './event-type.ts'
export { type EventLog, MAX_EVENT_LOG_BYTES, parseEventLog, type TcgEvent } from './parse.ts'
export {
  type EventLogProblem,
  type EventLogProblemCode,
  type EventLogReplay,
  type ReplayedEvent,
  replayEventLog,
} from './replay.ts'
