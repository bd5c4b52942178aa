import { type ServiceError, status } from '@grpc/grpc-js'
import { WritError } from '../encoding/error.ts'
import { DETAILS_TRAILER, type DenialReason, decodeErrorDetail } from './error-details.ts'
import type { ExecutionEnd } from './generated/writ/v1/ExecutionEnd.ts'

/**
 * What became of a call that did not succeed. `DENIED`: decided, and denied ({@link DenialError}); `FAULT`: the daemon says what is
 * wrong, with a code of its own ({@link FaultError}); `START_FAILED`: permitted, and not started ({@link StartFailedError}); the
 * others: the daemon has not answered the question ({@link TransportError}).
 */
export type CallErrorCode = 'DENIED' | 'FAULT' | 'START_FAILED' | TransportErrorCode

export type TransportErrorCode =
  /** No connection, or it was lost. */
  | 'UNAVAILABLE'
  | 'DEADLINE_EXCEEDED'
  /** By the caller's signal, or by the daemon as it stops. */
  | 'CANCELLED'
  /** The daemon does not know the method: it is of another version. */
  | 'UNIMPLEMENTED'
  /** A message was larger than the daemon, or this client, takes. */
  | 'TOO_LARGE'
  /** Something else of gRPC or of the answer's form; `status` says what. */
  | 'OTHER'

/**
 * A call to the daemon that failed: one of {@link DenialError}, {@link FaultError}, {@link StartFailedError},
 * {@link TransportError}.
 */
export abstract class CallError extends WritError<CallErrorCode> {
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

/** The request was decided, and denied, for every one of `reasons`. Asking again changes nothing by itself. */
export class DenialError extends CallError {
  constructor(reasons: readonly DenialReason[], status: string, decisionIndex?: bigint) {
    const message = reasons.map(({ code, message }) => `${code}: ${message}`).join('; ')
    super('DENIED', message, { status, reasons, decisionIndex })
  }
}

/** The daemon could not carry the request out, and says why in `faultCode`, `message` and `at`. */
export class FaultError extends CallError {
  declare readonly faultCode: string

  constructor(faultCode: string, message: string, status: string, at?: string) {
    super('FAULT', message, { status, faultCode, at })
  }
}

/**
 * An Execute that was permitted, which used the artifact, and that could not be started: `end` says why, in `message` and `cause`.
 * Unless `end.confirmedDead`, nobody has seen yet that nothing is left of it.
 */
export class StartFailedError extends CallError {
  /** Null from a daemon that does not say it. */
  readonly executionId: string | null
  readonly end: ExecutionEnd

  constructor(end: ExecutionEnd) {
    const cause = String(end.cause).replace(/^END_CAUSE_/, '')
    super('START_FAILED', `${cause}: ${end.message || 'permitted, and not started'}`, { status: 'OK' })
    this.executionId = end.executionId || null
    this.end = end
  }
}

/**
 * The daemon has not answered. Unless `notSent`, what was asked for may have been done: whether an Execute ran, the lineage
 * and `Get` say.
 */
export class TransportError extends CallError {
  declare readonly code: TransportErrorCode
  /** Certain that nothing of the request left this process: there was no connection. */
  readonly notSent: boolean

  constructor(
    code: TransportErrorCode,
    message: string,
    more: { status?: string; notSent?: boolean; cause?: unknown } = {},
  ) {
    super(code, message, { status: more.status ?? (code in status ? code : 'UNKNOWN'), cause: more.cause })
    this.notSent = more.notSent ?? false
  }
}

const PLAIN_CODES: Partial<Record<number, TransportErrorCode>> = {
  [status.UNAVAILABLE]: 'UNAVAILABLE',
  [status.DEADLINE_EXCEEDED]: 'DEADLINE_EXCEEDED',
  [status.CANCELLED]: 'CANCELLED',
  [status.UNIMPLEMENTED]: 'UNIMPLEMENTED',
}

/** What grpc-js says, on either side, of a message beyond its limit. */
const BEYOND_LIMIT = /message larger than max|message that decompresses larger/i

/** An error of grpc-js to ours, with the structured detail if the answer carries one that agrees with its status. */
export function toCallError(error: ServiceError): CallError {
  const name = status[error.code] ?? 'UNKNOWN'
  const raw = error.metadata?.get(DETAILS_TRAILER)[0]
  const detail = Buffer.isBuffer(raw) ? decodeErrorDetail(raw, error.code) : null
  if (detail?.kind === 'denial') return new DenialError(detail.reasons, name, detail.decisionIndex)
  if (detail?.kind === 'fault') return new FaultError(detail.code, detail.message, name, detail.at)
  // grpc-js: "No connection established. Last error: Error: connect ENOENT /run/x.sock. Resolution note: "
  const connecting = /Last error: (?:Error: )?(.*?)\.? *Resolution note:/s.exec(error.details)?.[1]
  const message = connecting ?? (error.details || error.message)
  const large = error.code === status.RESOURCE_EXHAUSTED && BEYOND_LIMIT.test(error.details)
  const code = large ? 'TOO_LARGE' : (PLAIN_CODES[error.code] ?? 'OTHER')
  const notSent = code === 'UNAVAILABLE' && error.details.startsWith('No connection established')
  return new TransportError(code, message, { status: name, notSent, cause: error })
}
