import { randomBytes } from 'node:crypto'
import { Metadata, type StatusObject, status } from '@grpc/grpc-js'
import { ReferenceValuesError, ReportError } from '../../attestation/index.ts'
import { TpmError } from '../../attestation/tpm2/index.ts'
import { AuthorizationError } from '../../authorization/index.ts'
import { EncodingError, WritError } from '../../encoding/error.ts'
import { LineageError } from '../../lineage/index.ts'
import {
  DETAILS_TRAILER,
  type ErrorDetail,
  encodeErrorDetail,
  type ReasonName,
  safeText,
} from '../../proto/error-details.ts'
import { ReceiptError } from '../../receipt/index.ts'
import { SigningError } from '../../signing/error.ts'
import { AttachError, ControlError, DeniedError, NotFoundError, OutputError, StartingError } from '../core.ts'
import { GovernanceError } from '../governance.ts'
import { SecretError } from '../secrets.ts'

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

type StatusOf<Code extends string> = Readonly<Partial<Record<Code, status>>>

/** Statuses of one class of errors. A code that is left out is INTERNAL. */
class FaultRule {
  readonly #covers: (error: WritError) => boolean
  readonly #statuses: Readonly<Record<string, status | undefined>>

  private constructor(covers: (error: WritError) => boolean, statuses: StatusOf<string>) {
    this.#covers = covers
    this.#statuses = statuses
  }

  static of<Code extends string>(
    type: new (...args: never[]) => WritError<Code>,
    statuses: StatusOf<Code>,
  ): FaultRule {
    return new FaultRule(error => error instanceof type, statuses)
  }

  statusOf(error: WritError): status | undefined {
    return this.#covers(error) && Object.hasOwn(this.#statuses, error.code)
      ? this.#statuses[error.code]
      : undefined
  }
}

/** The typed errors whose text may leave the daemon, by what the caller can do about them. */
const FAULT_RULES: readonly FaultRule[] = [
  FaultRule.of(RequestError, {
    REQUEST_MALFORMED: status.INVALID_ARGUMENT,
    OUT_OF_RANGE: status.OUT_OF_RANGE,
    NOT_ALLOWED: status.PERMISSION_DENIED,
    TIMED_OUT: status.DEADLINE_EXCEEDED,
  }),
  FaultRule.of(ReceiptError, {
    BUSY: status.RESOURCE_EXHAUSTED,
    NOT_PERMITTED: status.INVALID_ARGUMENT,
    NOT_STARTED: status.FAILED_PRECONDITION,
    NOT_ENDED: status.FAILED_PRECONDITION,
    RECEIPT_TOO_LARGE: status.FAILED_PRECONDITION,
    CHECKPOINT_MISSING: status.UNAVAILABLE,
    ENTRY_MISSING: status.FAILED_PRECONDITION,
    BLOB_MISSING: status.FAILED_PRECONDITION,
  }),
  FaultRule.of(NotFoundError, { NOT_FOUND: status.NOT_FOUND }),
  FaultRule.of(ControlError, {
    NOT_RUNNING: status.FAILED_PRECONDITION,
    NO_TERMINAL: status.FAILED_PRECONDITION,
    BUSY: status.RESOURCE_EXHAUSTED,
  }),
  FaultRule.of(AttachError, {
    TOKEN_WRONG: status.PERMISSION_DENIED,
    ATTACHED: status.FAILED_PRECONDITION,
    NOT_ATTACHABLE: status.FAILED_PRECONDITION,
  }),
  FaultRule.of(OutputError, { OUTPUT_NOT_KEPT: status.FAILED_PRECONDITION }),
  FaultRule.of(EncodingError, {
    TRUNCATED: status.INVALID_ARGUMENT,
    TRAILING_BYTES: status.INVALID_ARGUMENT,
    TOO_LARGE: status.INVALID_ARGUMENT,
    TOO_DEEP: status.INVALID_ARGUMENT,
    BAD_UTF8: status.INVALID_ARGUMENT,
    BAD_JSON: status.INVALID_ARGUMENT,
    DUPLICATE_KEY: status.INVALID_ARGUMENT,
    BAD_NUMBER: status.INVALID_ARGUMENT,
    BAD_HEX: status.INVALID_ARGUMENT,
    BAD_BASE64: status.INVALID_ARGUMENT,
  }),
  FaultRule.of(SigningError, {
    KEY_MALFORMED: status.INVALID_ARGUMENT,
    KEY_UNSUPPORTED: status.INVALID_ARGUMENT,
    KEY_WEAK: status.INVALID_ARGUMENT,
    ENVELOPE_MALFORMED: status.INVALID_ARGUMENT,
    PAYLOAD_TYPE_UNEXPECTED: status.INVALID_ARGUMENT,
    THRESHOLD_INVALID: status.INVALID_ARGUMENT,
  }),
  FaultRule.of(AuthorizationError, {
    STATEMENT_MALFORMED: status.INVALID_ARGUMENT,
    REQUEST_MALFORMED: status.INVALID_ARGUMENT,
    TRUST_MALFORMED: status.INVALID_ARGUMENT,
    POLICY_MALFORMED: status.INVALID_ARGUMENT,
    POLICY_INVALID: status.INVALID_ARGUMENT,
    REVOCATION_MALFORMED: status.INVALID_ARGUMENT,
    SECRET_POLICY_MALFORMED: status.INVALID_ARGUMENT,
    DOCUMENT_MALFORMED: status.INVALID_ARGUMENT,
    DOCUMENT_UNSIGNED: status.PERMISSION_DENIED,
    NOT_PERMITTED: status.PERMISSION_DENIED,
    LABELS_MALFORMED: status.INVALID_ARGUMENT,
    ROLLED_BACK: status.FAILED_PRECONDITION,
    NOT_VALID_NOW: status.FAILED_PRECONDITION,
    WRONG_HOST: status.FAILED_PRECONDITION,
    DOCUMENT_REVOKED: status.FAILED_PRECONDITION,
    REVOCATIONS_FULL: status.RESOURCE_EXHAUSTED,
  }),
  FaultRule.of(ReferenceValuesError, {
    REFERENCE_MALFORMED: status.INVALID_ARGUMENT,
    REFERENCE_ROLLED_BACK: status.FAILED_PRECONDITION,
    REFERENCE_REVISION_REUSED: status.FAILED_PRECONDITION,
  }),
  FaultRule.of(ReportError, { REPORT_TOO_LARGE: status.RESOURCE_EXHAUSTED }),
  FaultRule.of(SecretError, { NOT_APPROVED: status.FAILED_PRECONDITION }),
  FaultRule.of(GovernanceError, { CLEARANCE_NOT_APPLICABLE: status.FAILED_PRECONDITION }),
  FaultRule.of(LineageError, {
    RANGE_INVALID: status.OUT_OF_RANGE,
    BLOB_ABSENT: status.NOT_FOUND,
    ENTRY_TOO_LARGE: status.RESOURCE_EXHAUSTED,
    BLOB_TOO_LARGE: status.RESOURCE_EXHAUSTED,
    LINEAGE_BROKEN: status.FAILED_PRECONDITION,
    LINEAGE_ROLLED_BACK: status.FAILED_PRECONDITION,
    LINEAGE_NEW_EPOCH: status.FAILED_PRECONDITION,
    LINEAGE_UNAVAILABLE: status.UNAVAILABLE,
    LINEAGE_CLOSED: status.UNAVAILABLE,
  }),
  FaultRule.of(StartingError, { STARTING: status.UNAVAILABLE }),
  FaultRule.of(TpmError, {
    TPM_UNAVAILABLE: status.UNAVAILABLE,
    TPM_TIMEOUT: status.UNAVAILABLE,
    TPM_CLOSED: status.UNAVAILABLE,
    TPM_BUSY: status.RESOURCE_EXHAUSTED,
  }),
]

/** The gRPC status of an error that may be shown; undefined for every other. */
function faultStatus(error: WritError): status | undefined {
  return FAULT_RULES.map(rule => rule.statusOf(error)).find(found => found !== undefined)
}

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
  const code = error instanceof WritError ? faultStatus(error) : undefined
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
