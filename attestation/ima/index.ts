export { BOOT_AGGREGATE, bootAggregates } from './boot-aggregate.ts'
export type { ImaEntry } from './entry.ts'
export { ImaLogError, type ImaLogErrorCode } from './error.ts'
export { IMA_PCR, type ImaExtend, ImaReplay, MAX_IMA_LOG_BYTES, replayImaLog } from './replay.ts'
