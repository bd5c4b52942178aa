import { WritError } from '../../encoding/error.ts'

/** Why bytes are not an IMA log in the kernel's binary form. */
export type ImaLogErrorCode =
  | 'IMA_LOG_MALFORMED'
  | 'IMA_LOG_TOO_LARGE'
  | 'IMA_LOG_TRUNCATED'
  | 'IMA_TEMPLATE_UNSUPPORTED'

/** Bytes that are not an IMA log. `at` is the entry's index. */
export class ImaLogError extends WritError<ImaLogErrorCode> {}
