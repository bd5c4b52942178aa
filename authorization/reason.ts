/**
 * Every reason that a denial can have. Closed, and stable on the wire: a code is never renamed, and callers switch on it.
 */
export const REASON_CODES = [
  'ARTIFACT_MISSING',
  'ARTIFACT_MALFORMED',
  'ARTIFACT_EXPIRED',
  'ARTIFACT_NOT_YET_VALID',
  'SIGNATURE_INVALID',
  'SIGNER_UNTRUSTED',
  'THRESHOLD_NOT_MET',
  'POLICY_MISMATCH',
  'POLICY_DENIED',
  'POLICY_ERROR',
  'REPLAYED',
  'REVOKED',
  'ATTESTATION_STALE',
  'ATTESTATION_FAILED',
  'ENVIRONMENT_MISMATCH',
  'SUBJECT_MISMATCH',
  'AUDIENCE_MISMATCH',
  'SCOPE_EXCEEDED',
  'INITIATOR_MISMATCH',
  'CALLER_UNKNOWN',
  'PARENT_ENDED',
  'LINEAGE_BROKEN',
  'LINEAGE_UNAVAILABLE',
  'CLOCK_UNTRUSTED',
  'CAPACITY',
  'INTERNAL',
] as const

export type ReasonCode = (typeof REASON_CODES)[number]

/** One reason of a denial. `at` names the field of the artifact, the request or the host that it is about. */
export interface Reason {
  readonly code: ReasonCode
  readonly message: string
  readonly at?: string
}

/** Longest message of a reason, in UTF-16 code units: some of it comes from whoever sent the artifact. */
export const MAX_MESSAGE = 300

/** Makes a reason. Text beyond {@link MAX_MESSAGE} is cut, and what would break a line or a terminal is replaced. */
export function reason(code: ReasonCode, message: string, at?: string): Reason {
  const text = printable(message)
  return at === undefined ? { code, message: text } : { code, message: text, at: printable(at) }
}

/**
 * Cc, Cf, Zl and Zp of Unicode 17 (UnicodeData.txt): control characters, direction overrides and line separators. Spelt out, since what
 * `\p{Cf}` matches grows with the Unicode version of whoever evaluates a decision again.
 */
const UNPRINTABLE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what a terminal would act upon.
  /[\0-\x1F\x7F-\x9F\xAD\u0600-\u0605\u061C\u06DD\u070F\u0890\u0891\u08E2\u180E\u200B-\u200F\u2028-\u202E\u2060-\u2064\u2066-\u206F\uFEFF\uFFF9-\uFFFB\u{110BD}\u{110CD}\u{13430}-\u{1343F}\u{1BCA0}-\u{1BCA3}\u{1D173}-\u{1D17A}\u{E0001}\u{E0020}-\u{E007F}]/gu

function printable(text: string): string {
  const cut = text.length > MAX_MESSAGE ? `${text.slice(0, MAX_MESSAGE - 1)}…` : text
  return cut.toWellFormed().replace(UNPRINTABLE, '\uFFFD')
}
