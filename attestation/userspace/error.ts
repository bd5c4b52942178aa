import { WritError } from '../../encoding/error.ts'

/** Why bytes are not systemd's measurement log. */
export type UserspaceLogErrorCode =
  | 'USERSPACE_LOG_MALFORMED'
  | 'USERSPACE_LOG_TOO_LARGE'
  | 'USERSPACE_LOG_FIRMWARE_PCR'

/** Bytes that are not systemd's measurement log. `at` is the record's index, `offset` its first byte. */
export class UserspaceLogError extends WritError<UserspaceLogErrorCode> {}
