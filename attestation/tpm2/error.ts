import { WritError } from '../../encoding/error.ts'
import { describeResponseCode } from './response-code.ts'

/**
 * What can go wrong between this process and its TPM.
 *
 * - `TPM_UNAVAILABLE` no connection, or it was lost before the answer came
 * - `TPM_TIMEOUT` no answer in time, or the command waited in the queue for too long
 * - `TPM_BUSY` the queue's quota for this requester is used up
 * - `TPM_CLOSED` the {@link Tpm} was closed by its owner
 * - `TPM_RC` the TPM refused; `rc` says why
 * - `TPM_AUTH_FAILED` the TPM refused the authValue or the HMAC over it; `rc` says how
 * - `TPM_MALFORMED` the response is not what the command's definition says
 * - `TPM_UNAUTHENTIC` the response's HMAC is not the TPM's: somebody sits in between
 * - `TPM_UNSTABLE` PCRs moved during each of several reads
 */
export type TpmErrorCode =
  | 'TPM_UNAVAILABLE'
  | 'TPM_TIMEOUT'
  | 'TPM_BUSY'
  | 'TPM_CLOSED'
  | 'TPM_RC'
  | 'TPM_AUTH_FAILED'
  | 'TPM_MALFORMED'
  | 'TPM_UNAUTHENTIC'
  | 'TPM_UNSTABLE'

/** Any failure of a TPM command. `rc` is the TPM's response code where one was given. */
export class TpmError extends WritError<TpmErrorCode> {
  readonly rc: number | undefined

  constructor(
    code: TpmErrorCode,
    message: string,
    options: { rc?: number | undefined; at?: string | undefined; cause?: unknown } = {},
  ) {
    super(code, message, options)
    this.rc = options.rc
  }

  /** The error for a response code other than TPM_RC_SUCCESS. */
  static fromResponse(command: string, rc: number): TpmError {
    const { text, authFailure } = describeResponseCode(rc)
    const code = authFailure ? 'TPM_AUTH_FAILED' : 'TPM_RC'
    return new TpmError(code, `${command}: ${text} (0x${rc.toString(16).padStart(3, '0')})`, { rc })
  }
}
