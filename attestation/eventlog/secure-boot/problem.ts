/** What an honest firmware with Secure Boot does not measure. */
export type SecureBootProblemCode =
  /** An event of the Secure Boot register that nothing binds, or that cannot be read, or of a type that does not belong there. */
  | 'SECURE_BOOT_UNREADABLE'
  /** A variable that is measured twice, or after the separator. */
  | 'SECURE_BOOT_VARIABLE'
  /** Secure Boot is on without PK, KEK or db. */
  | 'SECURE_BOOT_KEYS_MISSING'
  /** Secure Boot is on and no image was verified with anything. */
  | 'SECURE_BOOT_AUTHORITY_MISSING'
  /** An image was verified with an entry that is not in the measured db. */
  | 'SECURE_BOOT_AUTHORITY_UNKNOWN'
  /** An image was verified with an entry of dbx, or is one. */
  | 'SECURE_BOOT_FORBIDDEN'
  /** A debugger was attached to the firmware. */
  | 'SECURE_BOOT_DEBUGGER'

export interface SecureBootProblem {
  readonly code: SecureBootProblemCode
  readonly message: string
  /** Which event, for example `event 12`; null where one is missing. */
  readonly at: string | null
}

/** @param event its position in the log, null where what is wrong is that it is missing */
export function problem(code: SecureBootProblemCode, what: string, event: number | null): SecureBootProblem {
  if (event === null) return { code, message: what, at: null }
  return { code, message: `event ${event}: ${what}`, at: `event ${event}` }
}
