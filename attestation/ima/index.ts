export { BOOT_AGGREGATE, bootAggregates } from './boot-aggregate.ts'
export type { ImaEntry, ImaFields } from './entry.ts'
export { ImaLogError, type ImaLogErrorCode } from './error.ts'
export { binaryImaLog, type ImaLogForm, imaLogForm, readImaLog } from './form.ts'
export { loggedPath } from './path.ts'
export { compareWithQuoted, type ImaFault, type QuotedImaLog } from './quoted.ts'
export { ImaLogReader, type ImaReaderOptions, type ImaSummary } from './reader.ts'
export {
  IMA_PCR,
  type ImaExtend,
  type ImaPosition,
  ImaReplay,
  type ImaReplayOptions,
  MAX_IMA_LOG_BYTES,
  replayImaLog,
} from './replay.ts'
export {
  type ImaKey,
  ImaKeyring,
  ImaKeyringError,
  measuredCertificate,
  readImaKeys,
} from './signature/keyring.ts'
export { type SignatureCheck, type SignatureOutcome, verifyEntrySignature } from './signature/verify.ts'
export { namesFileFirst } from './template.ts'
