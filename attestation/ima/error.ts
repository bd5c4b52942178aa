import { WritError } from '../../encoding/error.ts'

/** Why bytes are not an IMA log. */
export type ImaLogErrorCode =
  | 'IMA_LOG_MALFORMED'
  | 'IMA_LOG_TOO_LARGE'
  | 'IMA_LOG_TRUNCATED'
  | 'IMA_TEMPLATE_UNSUPPORTED'
  | 'IMA_DIGEST_UNSUPPORTED'

/** Bytes that are not an IMA log. `at` is the entry's index. */
export class ImaLogError extends WritError<ImaLogErrorCode> {}

/** An error about one entry. */
export function entryError(
  code: ImaLogErrorCode,
  index: number,
  what: string,
  options: { offset?: number | undefined; cause?: unknown } = {},
): ImaLogError {
  return new ImaLogError(code, `IMA log, entry ${index}: ${what}`, { at: `entry ${index}`, ...options })
}
