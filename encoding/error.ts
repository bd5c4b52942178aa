/**
 * Base of every error that Writ raises on purpose. `code` comes from the closed union of the subclass; callers
 * switch on it, never on the message. `at` says where in the input the fault is (offset, field path, file name); `offset` is
 * the byte of the input at which the part at fault begins, where a reader of binary input knows it.
 */
export abstract class WritError<Code extends string = string> extends Error {
  readonly code: Code
  readonly at: string | undefined
  readonly offset: number | undefined

  constructor(
    code: Code,
    message: string,
    options: { at?: string | undefined; offset?: number | undefined; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = new.target.name
    this.code = code
    this.at = options.at
    this.offset = options.offset
  }
}

/** What can be wrong with bytes that claim to be in one of the project's base encodings. */
export type EncodingErrorCode =
  | 'TRUNCATED'
  | 'TRAILING_BYTES'
  | 'TOO_LARGE'
  | 'TOO_DEEP'
  | 'BAD_UTF8'
  | 'BAD_JSON'
  | 'DUPLICATE_KEY'
  | 'BAD_NUMBER'
  | 'BAD_HEX'
  | 'BAD_BASE64'
  | 'BAD_DER'

/** Malformed input to a reader or decoder. `at` is a byte offset or a character offset, said in the message. */
export class EncodingError extends WritError<EncodingErrorCode> {}
