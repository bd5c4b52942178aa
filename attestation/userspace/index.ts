export { UserspaceLogError, type UserspaceLogErrorCode } from './error.ts'
export { MAX_USERSPACE_LOG_BYTES, parseUserspaceLog, type UserspaceEvent } from './parse.ts'
