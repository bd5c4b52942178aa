import type { WritError } from '../../encoding/error.ts'
import type { EventLogErrorCode, EventLogProblemCode } from '../eventlog/index.ts'
import type { ImaLogErrorCode } from '../ima/index.ts'
import type { QuoteErrorCode } from '../quote/index.ts'
import type { UserspaceLogErrorCode } from '../userspace/index.ts'

/** Every reason that an appraisal can give. Stable: they stand in the lineage and on the wire. */
export type AppraisalReasonCode =
  | QuoteErrorCode
  | EventLogErrorCode
  | EventLogProblemCode
  | UserspaceLogErrorCode
  | ImaLogErrorCode
  | 'CLOCK_ROLLED_BACK'
  | 'CLOCK_NOT_SAFE'
  | 'HOST_REBOOTED'
  | 'HOST_RESTARTED'
  | 'TPM_FIRMWARE_CHANGED'
  | 'TPM_FIRMWARE_UNKNOWN'
  | 'PCR_UNJUDGED'
  | 'PCR_VALUE_UNKNOWN'
  | 'PCR_EVENT_UNKNOWN'
  | 'SECURE_BOOT_MISMATCH'
  | 'EXIT_BOOT_SERVICES_MISSING'
  | 'EVENT_LOG_QUIRK'
  | 'IMA_LOG_MISSING'
  | 'IMA_LOG_REWRITTEN'
  | 'IMA_LOG_SHORTENED'
  | 'IMA_EXCLUDED'
  | 'IMA_BOOT_AGGREGATE_MISMATCH'
  | 'IMA_ENTRY_UNKNOWN'
  | 'IMA_VIOLATION'
  | 'IMA_TEMPLATE_HASH_MISMATCH'
  | 'COMPONENT_NOT_MEASURED'
  | 'COMPONENT_CHANGED'
  | 'PCR_EVENT_UNACCOUNTED'
  | 'PCR_EVENT_MISSING'
  | 'FIRMWARE_UNKNOWN'
  | 'SECURE_BOOT_KEY_UNKNOWN'
  | 'SECURE_BOOT_KEY_MISSING'
  | 'SECURE_BOOT_AUTHORITY_UNKNOWN'
  | 'BOOT_IMAGE_UNKNOWN'
  | 'BOOT_IMAGE_MISSING'
  | 'COMMAND_LINE_MISSING'
  | 'UKI_UNKNOWN'

/** `fail`: the host is not what it should be. `degrade`: less is proven than usual. `notice`: worth a line in the lineage. */
export type Severity = 'fail' | 'degrade' | 'notice'

export interface AppraisalReason {
  readonly code: AppraisalReasonCode
  readonly severity: Severity
  readonly message: string
  /** Where in the evidence: `PCR 7`, `event 12`, `entry 508`. */
  readonly at?: string
  /** What would have been accepted there, in short. */
  readonly expected?: string
}

export type Verdict = 'pass' | 'degraded' | 'fail'

/** The verdict that reasons add up to. */
export function verdictOf(reasons: readonly AppraisalReason[]): Verdict {
  if (reasons.some(reason => reason.severity === 'fail')) return 'fail'
  return reasons.some(reason => reason.severity === 'degrade') ? 'degraded' : 'pass'
}

/** Most reasons of one kind that are spelled out; more are counted, so that a result stays small. */
export const MAX_REASONS_OF_A_KIND = 16
/** Most characters of a message: paths and templates come from the host. */
const MAX_MESSAGE = 400

/** Most characters of what was expected: a few digests or names. */
const MAX_EXPECTED = 200

function clipped(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most)}…` : text
}

/** A reason that fails the appraisal. */
export function failure(
  code: AppraisalReasonCode,
  message: string,
  at?: string,
  expected?: string,
): AppraisalReason {
  return {
    code,
    severity: 'fail',
    message: clipped(message, MAX_MESSAGE),
    ...(at === undefined ? {} : { at }),
    ...(expected === undefined ? {} : { expected: clipped(expected, MAX_EXPECTED) }),
  }
}

/** The first few reasons of each code, then one that counts the rest. */
export function abridge(reasons: readonly AppraisalReason[]): AppraisalReason[] {
  const seen = new Map<string, number>()
  const kept = reasons.filter(({ code }) => {
    const count = (seen.get(code) ?? 0) + 1
    seen.set(code, count)
    return count <= MAX_REASONS_OF_A_KIND
  })
  for (const reason of reasons) {
    const more = (seen.get(reason.code) ?? 0) - MAX_REASONS_OF_A_KIND
    seen.delete(reason.code)
    if (more > 0)
      kept.push({ code: reason.code, severity: reason.severity, message: `and ${more} more like it` })
  }
  return kept
}

/** Turns one class of typed errors into a reason; anything else is a programmer's mistake and goes on. */
export function attempt<T, E extends WritError<AppraisalReasonCode>>(
  reasons: AppraisalReason[],
  errorClass: abstract new (...args: never[]) => E,
  step: () => T,
): T | null {
  try {
    return step()
  } catch (error) {
    if (!(error instanceof errorClass)) throw error
    reasons.push(failure(error.code, error.message, error.at))
    return null
  }
}
