import type { ReasonCode as WireReasonCode } from './generated/writ/v1/ReasonCode.ts'
import { denialType, faultType, statusType } from './load.ts'

type NamedCode<T> = T extends `REASON_CODE_${infer Name}` ? Exclude<Name, 'UNSPECIFIED'> : never

/** The closed set of reasons for a denial, as design and lineage spell them (no `REASON_CODE_` prefix). */
export type ReasonName = NamedCode<WireReasonCode>

/** One reason of a denial. `at` says where in the input, if that can be said. */
export interface DenialReason {
  readonly code: ReasonName
  readonly message: string
  readonly at?: string | undefined
}

/** What travels with an error beside its status: a decision's reasons, or the code of another failure. */
export type ErrorDetail =
  | {
      readonly kind: 'denial'
      readonly reasons: readonly DenialReason[]
      readonly decisionIndex?: bigint | undefined
    }
  | {
      readonly kind: 'fault'
      readonly code: string
      readonly message: string
      readonly at?: string | undefined
    }

/** Name of the trailer that carries a google.rpc.Status (gRPC over HTTP/2, "Status details"). */
export const DETAILS_TRAILER = 'grpc-status-details-bin'

const DENIAL_URL = 'type.googleapis.com/writ.v1.Denial'
const FAULT_URL = 'type.googleapis.com/writ.v1.Fault'

/**
 * Trailers travel in one HTTP/2 header block, which common clients limit to 8 KiB (grpc-go, grpc-core); base64 and the
 * message's own copy need the rest of it.
 */
const MAX_DETAIL_BYTES = 4096
const MAX_TEXT = 400

/** Text that any client can show: no lone surrogate (`encodeURI` throws on one), no control character, not over-long. */
export function safeText(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is taken out.
  const clean = text.toWellFormed().replace(/[\u0000-\u001f\u007f]/g, ' ')
  return clean.length <= MAX_TEXT ? clean : `${clean.slice(0, MAX_TEXT - 1).toWellFormed()}…`
}

/**
 * Encodes one error with its detail as a google.rpc.Status. A denial with very many or very long reasons keeps every code and
 * loses the texts of the later ones.
 *
 * @param grpcCode the number in `grpc-status`
 * @param message the text in `grpc-message`
 */
export function encodeErrorDetail(grpcCode: number, message: string, detail: ErrorDetail): Buffer {
  const value = detail.kind === 'denial' ? encodeDenial(detail) : encodeFault(detail)
  const typeUrl = detail.kind === 'denial' ? DENIAL_URL : FAULT_URL
  return statusType.serialize({
    code: grpcCode,
    message: safeText(message),
    details: [{ type_url: typeUrl, value }],
  })
}

function encodeDenial(denial: Extract<ErrorDetail, { kind: 'denial' }>): Buffer {
  let left = MAX_DETAIL_BYTES
  const reasons = denial.reasons.slice(0, 256).map(reason => {
    const full = {
      code: `REASON_CODE_${reason.code}` as const,
      message: safeText(reason.message),
      at: safeText(reason.at ?? ''),
    }
    left -= Buffer.byteLength(full.message) + Buffer.byteLength(full.at) + 8
    return left >= 0 ? full : { code: full.code }
  })
  return denialType.serialize({
    reasons,
    ...(denial.decisionIndex === undefined ? {} : { decisionIndex: denial.decisionIndex.toString() }),
  })
}

function encodeFault(fault: Extract<ErrorDetail, { kind: 'fault' }>): Buffer {
  return faultType.serialize({
    code: safeText(fault.code),
    message: safeText(fault.message),
    at: safeText(fault.at ?? ''),
  })
}

/**
 * Decodes what {@link encodeErrorDetail} made. The bytes are controlled by whoever answered; what is not understood, or says
 * something else than the status that it came with, is null, never an exception.
 *
 * @param grpcCode the number in `grpc-status`, which has to agree
 */
export function decodeErrorDetail(bytes: Buffer, grpcCode: number): ErrorDetail | null {
  try {
    const status = statusType.deserialize(bytes)
    if (status.code !== grpcCode) return null
    const any = status.details[0]
    if (any === undefined || status.details.length !== 1) return null
    if (any.type_url === DENIAL_URL) return decodeDenial(Buffer.from(any.value))
    if (any.type_url === FAULT_URL) return decodeFault(Buffer.from(any.value))
    return null
  } catch {
    return null
  }
}

function decodeDenial(bytes: Buffer): ErrorDetail | null {
  const denial = denialType.deserialize(bytes)
  const reasons: DenialReason[] = []
  for (const reason of denial.reasons) {
    const name = reasonName(reason.code)
    if (name === null) return null
    reasons.push({ code: name, message: reason.message, ...(reason.at === '' ? {} : { at: reason.at }) })
  }
  if (reasons.length === 0) return null
  return {
    kind: 'denial',
    reasons,
    ...(denial.decisionIndex === undefined ? {} : { decisionIndex: BigInt(denial.decisionIndex) }),
  }
}

function decodeFault(bytes: Buffer): ErrorDetail | null {
  const fault = faultType.deserialize(bytes)
  if (fault.code === '') return null
  return {
    kind: 'fault',
    code: fault.code,
    message: fault.message,
    ...(fault.at === '' ? {} : { at: fault.at }),
  }
}

/** The wire's spelling of a reason code to ours; null for one that this version does not know (proto-loader gives its number). */
function reasonName(code: WireReasonCode | number): ReasonName | null {
  if (typeof code !== 'string' || code === 'REASON_CODE_UNSPECIFIED') return null
  return code.slice('REASON_CODE_'.length) as ReasonName
}
