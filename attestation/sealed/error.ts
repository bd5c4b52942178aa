import { WritError } from '../../encoding/error.ts'

export type RecipientErrorCode = 'RECIPIENT_MALFORMED' | 'RECIPIENT_NOT_ENROLLED' | 'RECIPIENT_EK_MISMATCH'

/** What a host handed out for secrets cannot be read, or does not show whose it is. */
export class RecipientError extends WritError<RecipientErrorCode> {}
