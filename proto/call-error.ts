import { type ServiceError, status } from '@grpc/grpc-js'
import { WritError } from '../encoding/error.ts'
import { DETAILS_TRAILER, type DenialReason, decodeErrorDetail } from './error-details.ts'

/**
 * What became of a call that did not succeed. `DENIED`: decided, and denied; `FAULT`: the daemon says what is wrong, with a
 * code of its own; the others: the call never got that far.
 */
export type CallErrorCode =
  | 'DENIED'
  | 'FAULT'
  | 'UNAVAILABLE'
  | 'DEADLINE_EXCEEDED'
  | 'CANCELLED'
  | 'UNIMPLEMENTED'
  | 'OTHER'

/** A call to the daemon that failed. */
export class CallError extends WritError<CallErrorCode> {
  /** Name of the gRPC status, such as `PERMISSION_DENIED`. */
  readonly status: string
  /** Every reason of a denial; empty unless `code` is `DENIED`. */
  readonly reasons: readonly DenialReason[]
  /** Position of the decision in the lineage, if it has one. */
  readonly decisionIndex: bigint | null
  /** The daemon's own code; null unless `code` is `FAULT`. */
  readonly faultCode: string | null

  constructor(code: CallErrorCode, message: string, more: CallErrorFields) {
    super(code, message, { at: more.at, cause: more.cause })
    this.status = more.status
    this.reasons = more.reasons ?? []
    this.decisionIndex = more.decisionIndex ?? null
    this.faultCode = more.faultCode ?? null
  }
}

interface CallErrorFields {
  status: string
  reasons?: readonly DenialReason[]
  decisionIndex?: bigint | undefined
  faultCode?: string
  at?: string | undefined
  cause?: unknown
}

const PLAIN_CODES: Partial<Record<number, CallErrorCode>> = {
  [status.UNAVAILABLE]: 'UNAVAILABLE',
  [status.DEADLINE_EXCEEDED]: 'DEADLINE_EXCEEDED',
  [status.CANCELLED]: 'CANCELLED',
  [status.UNIMPLEMENTED]: 'UNIMPLEMENTED',
}

/** An error of grpc-js to ours, with the structured detail if the answer carries one that agrees with its status. */
export function toCallError(error: ServiceError): CallError {
  const name = status[error.code] ?? 'UNKNOWN'
  const raw = error.metadata?.get(DETAILS_TRAILER)[0]
  const detail = Buffer.isBuffer(raw) ? decodeErrorDetail(raw, error.code) : null
  if (detail?.kind === 'denial') {
    return new CallError('DENIED', detail.reasons.map(r => `${r.code}: ${r.message}`).join('; '), {
      status: name,
      reasons: detail.reasons,
      decisionIndex: detail.decisionIndex,
    })
  }
  if (detail?.kind === 'fault') {
    return new CallError('FAULT', detail.message, { status: name, faultCode: detail.code, at: detail.at })
  }
  // grpc-js: "No connection established. Last error: Error: connect ENOENT /run/x.sock. Resolution note: "
  const connecting = /Last error: (?:Error: )?(.*?)\.? *Resolution note:/s.exec(error.details)?.[1]
  const message = connecting ?? (error.details || error.message)
  return new CallError(PLAIN_CODES[error.code] ?? 'OTHER', message, {
    status: name,
    cause: error,
  })
}
