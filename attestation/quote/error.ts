import { WritError } from '../../encoding/error.ts'

/** Why a quote proves nothing, one code for each step of `verifyQuote`. */
export type QuoteErrorCode =
  | 'QUOTE_MALFORMED'
  | 'QUOTE_SIGNER_MISMATCH'
  | 'QUOTE_KEY_UNFIT'
  | 'QUOTE_SIGNATURE_INVALID'
  | 'QUOTE_EXTRA_DATA_MISMATCH'
  | 'QUOTE_PCR_SELECTION_MISMATCH'
  | 'QUOTE_PCR_DIGEST_MISMATCH'

/** A quote that proves nothing. */
export class QuoteError extends WritError<QuoteErrorCode> {}

/** Something that the verifier brought beside a quote cannot be read. */
export class QuoteInputError extends WritError<'QUOTE_PCRS_MALFORMED' | 'QUOTE_HISTORY_MALFORMED'> {}
