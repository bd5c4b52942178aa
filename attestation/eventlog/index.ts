export {
  type BankName,
  bankDigest,
  bankDigestBytes,
  type EventLogBank,
  isHashAlgorithm,
} from './bank.ts'
export {
  type DecodedEvent,
  decodedEventJson,
  decodeEvent,
  type Field,
  type LoggedCertificate,
  type SignatureEntry,
  type VariableContents,
} from './decode/index.ts'
export {
  type DescribedEvent,
  type DescribeEventLogOptions,
  describeEventLog,
  type EventLogDescription,
} from './description.ts'
export { EventLogError, type EventLogErrorCode } from './error.ts'
export { EVENT_TYPE, eventTypeName } from './event-type.ts'
export {
  type EventLogJudgement,
  type EventLogReason,
  type EventLogReasonCode,
  type JudgeEventLogOptions,
  judgeEventLog,
  type QuotedPcrs,
  replayAll,
  trustedReplay,
} from './judge.ts'
export {
  ANY_EVENT_LOG,
  type EventLog,
  type EventLogFormat,
  MAX_EVENT_LOG_BYTES,
  MAX_EVENTS,
  type Padding,
  type ParseEventLogOptions,
  parseEventLog,
  type TcgEvent,
} from './parse.ts'
export {
  type EventLogVariant,
  eventLogVariants,
  isQuirkName,
  QUIRKS,
  type Quirk,
  type QuirkName,
  quirkOf,
} from './quirks.ts'
export { type RegisterKind, registerName } from './registers.ts'
export {
  type EventLogProblem,
  type EventLogProblemCode,
  type EventLogReplay,
  type ReplayEventLogOptions,
  type ReplayedEvent,
  replayEventLog,
} from './replay.ts'
export {
  type Authority,
  type KeyDatabase,
  type LoadedImage,
  readSecureBoot,
  type SecureBootFacts,
  type SecureBootProblem,
  type SecureBootProblemCode,
} from './secure-boot/index.ts'
export type { SpecId } from './spec-id.ts'
