import { randomBytes } from 'node:crypto'
import { Metadata, type StatusObject, status } from '@grpc/grpc-js'
import { WritError } from '../../encoding/error.ts'
import {
  DETAILS_TRAILER,
  type ErrorDetail,
  encodeErrorDetail,
  type ReasonName,
  safeText,
} from '../../proto/error-details.ts'
import { DeniedError } from '../core.ts'

export type RequestErrorCode = 'REQUEST_MALFORMED' | 'OUT_OF_RANGE' | 'NOT_ALLOWED' | 'TIMED_OUT'

/** A call that the services themselves turn away. `at` is the field. */
export class RequestError extends WritError<RequestErrorCode> {}

/** A denial's status is that of its first reason: the checks run in a fixed order. */
export const REASON_STATUS: Readonly<Record<ReasonName, status>> = {
  ARTIFACT_MISSING: status.PERMISSION_DENIED,
  ARTIFACT_MALFORMED: status.INVALID_ARGUMENT,
  ARTIFACT_EXPIRED: status.PERMISSION_DENIED,
  ARTIFACT_NOT_YET_VALID: status.PERMISSION_DENIED,
  SIGNATURE_INVALID: status.PERMISSION_DENIED,
  SIGNER_UNTRUSTED: status.PERMISSION_DENIED,
  THRESHOLD_NOT_MET: status.PERMISSION_DENIED,
  POLICY_MISMATCH: status.PERMISSION_DENIED,
  POLICY_DENIED: status.PERMISSION_DENIED,
  POLICY_ERROR: status.PERMISSION_DENIED,
  REPLAYED: status.PERMISSION_DENIED,
  REVOKED: status.PERMISSION_DENIED,
  ATTESTATION_STALE: status.FAILED_PRECONDITION,
  ATTESTATION_FAILED: status.FAILED_PRECONDITION,
  ENVIRONMENT_MISMATCH: status.FAILED_PRECONDITION,
  SUBJECT_MISMATCH: status.PERMISSION_DENIED,
  AUDIENCE_MISMATCH: status.PERMISSION_DENIED,
  SCOPE_EXCEEDED: status.PERMISSION_DENIED,
  INITIATOR_MISMATCH: status.PERMISSION_DENIED,
  CALLER_UNKNOWN: status.UNAUTHENTICATED,
  PARENT_ENDED: status.FAILED_PRECONDITION,
  LINEAGE_BROKEN: status.FAILED_PRECONDITION,
  LINEAGE_UNAVAILABLE: status.UNAVAILABLE,
  CLOCK_UNTRUSTED: status.FAILED_PRECONDITION,
  CAPACITY: status.RESOURCE_EXHAUSTED,
  INTERNAL: status.INTERNAL,
}

/** Codes of typed errors whose text may leave the daemon, by what the caller can do about them. Any other code is INTERNAL. */
const FAULT_CODES: ReadonlyMap<status, readonly string[]> = new Map([
  [
    status.INVALID_ARGUMENT,
    [
      'REQUEST_MALFORMED',
      // encoding
      'TRUNCATED',
      'TRAILING_BYTES',
      'TOO_LARGE',
      'TOO_DEEP',
      'BAD_UTF8',
      'BAD_JSON',
      'DUPLICATE_KEY',
      'BAD_NUMBER',
      'BAD_HEX',
      'BAD_BASE64',
      // signing
      'KEY_MALFORMED',
      'KEY_UNSUPPORTED',
      'KEY_WEAK',
      'ENVELOPE_MALFORMED',
      'PAYLOAD_TYPE_UNEXPECTED',
      'THRESHOLD_INVALID',
      // documents of governance
      'STATEMENT_MALFORMED',
      'TRUST_MALFORMED',
      'POLICY_MALFORMED',
      'POLICY_INVALID',
      'REVOCATION_MALFORMED',
      'DOCUMENT_MALFORMED',
      'REFERENCE_MALFORMED',
    ],
  ],
  [status.PERMISSION_DENIED, ['NOT_ALLOWED', 'DOCUMENT_UNSIGNED', 'NOT_PERMITTED']],
  [status.FAILED_PRECONDITION, ['ROLLED_BACK', 'LINEAGE_BROKEN', 'LINEAGE_ROLLED_BACK', 'LINEAGE_ABSENT']],
  [status.OUT_OF_RANGE, ['OUT_OF_RANGE', 'RANGE_INVALID']],
  [status.NOT_FOUND, ['NOT_FOUND', 'BLOB_ABSENT']],
  [status.RESOURCE_EXHAUSTED, ['TPM_BUSY', 'ENTRY_TOO_LARGE', 'BLOB_TOO_LARGE']],
  [status.DEADLINE_EXCEEDED, ['TIMED_OUT']],
  [
    status.UNAVAILABLE,
    ['LINEAGE_UNAVAILABLE', 'LINEAGE_CLOSED', 'TPM_UNAVAILABLE', 'TPM_TIMEOUT', 'TPM_CLOSED'],
  ],
])

/** The gRPC status of each code of {@link WritError} that may be shown. */
export const FAULT_STATUS: ReadonlyMap<string, status> = new Map(
  [...FAULT_CODES].flatMap(([code, names]) => names.map(name => [name, code] as const)),
)

/** Where an error goes whose text must not leave the daemon. */
export type ReportInternal = (error: unknown, incident: string) => void

/**
 * Turns anything thrown into a status with a structured detail. What is not an error made on purpose is INTERNAL with a number
 * under which the log has the rest: no message, no path, no stack of it leaves the daemon.
 *
 * @param decision whether the call asks for a decision, of which a fault of the daemon is a denial too
 */
export function toStatus(error: unknown, decision: boolean, report: ReportInternal): StatusObject {
  if (error instanceof DeniedError && error.reasons[0] !== undefined) {
    return partialStatus(REASON_STATUS[error.reasons[0].code], error.message, {
      kind: 'denial',
      reasons: error.reasons,
      decisionIndex: error.decisionIndex,
    })
  }
  const code = error instanceof WritError ? FAULT_STATUS.get(error.code) : undefined
  if (error instanceof WritError && code !== undefined) {
    return partialStatus(code, error.message, {
      kind: 'fault',
      code: error.code,
      message: error.message,
      at: error.at,
    })
  }
  const incident = randomBytes(4).toString('hex')
  report(error, incident)
  const message = `internal error ${incident}; the daemon's log has more`
  return decision
    ? partialStatus(status.INTERNAL, message, { kind: 'denial', reasons: [{ code: 'INTERNAL', message }] })
    : partialStatus(status.INTERNAL, message, { kind: 'fault', code: 'INTERNAL', message })
}

function partialStatus(code: status, message: string, detail: ErrorDetail): StatusObject {
  const metadata = new Metadata()
  metadata.set(DETAILS_TRAILER, encodeErrorDetail(code, message, detail))
  return { code, details: safeText(message), metadata }
}
