/** Response codes (TPM 2.0 Part 2, section 6.6) that this code treats specially or that operators meet. */
export const TPM_RC = {
  SUCCESS: 0x000,
  INITIALIZE: 0x100,
  FAILURE: 0x101,
  POLICY: 0x126,
  PCR_CHANGED: 0x128,
  NV_UNINITIALIZED: 0x14a,
  NV_DEFINED: 0x14c,
  // Format one: bits 0-5 are the error, bit 6 says parameter, bits 8-11 say which (0x8 and up: session).
  HASH: 0x083,
  VALUE: 0x084,
  HANDLE: 0x08b,
  AUTH_FAIL: 0x08e,
  SIZE: 0x095,
  SCHEME: 0x092,
  ATTRIBUTES: 0x082,
  POLICY_FAIL: 0x09d,
  SIGNATURE: 0x09b,
  INTEGRITY: 0x09f,
  BAD_AUTH: 0x0a2,
  // Warnings.
  OBJECT_MEMORY: 0x902,
  SESSION_MEMORY: 0x903,
  SESSION_HANDLES: 0x905,
  YIELDED: 0x908,
  TESTING: 0x90a,
  REFERENCE_H0: 0x910,
  REFERENCE_S0: 0x918,
  NV_RATE: 0x920,
  LOCKOUT: 0x921,
  RETRY: 0x922,
  NV_UNAVAILABLE: 0x923,
} as const

const TEXT = new Map<number, string>([
  [TPM_RC.INITIALIZE, 'the TPM has been reset and not started up'],
  [TPM_RC.FAILURE, 'the TPM is in failure mode'],
  [TPM_RC.POLICY, 'what the policy compares is not as it says'],
  [TPM_RC.PCR_CHANGED, 'a PCR was extended meanwhile'],
  [TPM_RC.SIGNATURE, 'the signature is not that of the key'],
  [TPM_RC.NV_UNINITIALIZED, 'the NV index was never written'],
  [TPM_RC.NV_DEFINED, 'the NV index or persistent handle exists already'],
  [TPM_RC.HASH, 'hash algorithm not supported'],
  [TPM_RC.VALUE, 'value out of range'],
  [TPM_RC.HANDLE, 'no such handle'],
  [TPM_RC.AUTH_FAIL, 'wrong authorization value'],
  [TPM_RC.SIZE, 'wrong size'],
  [TPM_RC.SCHEME, 'scheme not supported'],
  [TPM_RC.ATTRIBUTES, 'attributes not allowed'],
  [TPM_RC.POLICY_FAIL, 'policy not satisfied'],
  [TPM_RC.INTEGRITY, 'integrity check failed'],
  [TPM_RC.BAD_AUTH, 'wrong authorization value'],
  [TPM_RC.OBJECT_MEMORY, 'no room for another object'],
  [TPM_RC.SESSION_MEMORY, 'no room for another session'],
  [TPM_RC.SESSION_HANDLES, 'no session handle left'],
  [TPM_RC.TESTING, 'self-test runs'],
  [TPM_RC.NV_RATE, 'NV is written too often'],
  [TPM_RC.LOCKOUT, 'locked out after failed authorizations'],
  [TPM_RC.RETRY, 'busy, try again'],
  [TPM_RC.NV_UNAVAILABLE, 'NV is not accessible'],
])

/** The error of a format-one code without the number of the handle, session or parameter that it is about. */
export function baseResponseCode(rc: number): number {
  return rc & 0x080 ? rc & 0x0bf : rc
}

/** True if `rc` says that a session is gone: the TPM was restarted, or its resources were swept by someone else. */
export function isLostSession(rc: number | undefined): boolean {
  if (rc === undefined) return false
  if (rc >= TPM_RC.REFERENCE_S0 && rc <= TPM_RC.REFERENCE_S0 + 6) return true
  return (rc & 0x880) === 0x880 && (rc & 0x040) === 0 && baseResponseCode(rc) === TPM_RC.HANDLE
}

/** True if the TPM has no room left, which somebody's leaked handles can be the reason of. */
export function isExhausted(rc: number | undefined): boolean {
  return rc === TPM_RC.OBJECT_MEMORY || rc === TPM_RC.SESSION_MEMORY || rc === TPM_RC.SESSION_HANDLES
}

/** True if the same command may succeed a little later (Part 2, section 6.6.3: RC_WARN). */
export function isTransient(rc: number): boolean {
  return rc === TPM_RC.RETRY || rc === TPM_RC.YIELDED || rc === TPM_RC.TESTING || rc === TPM_RC.NV_RATE
}

/** A response code for people, and whether it says that an authorization value was wrong. */
export function describeResponseCode(rc: number): { text: string; authFailure: boolean } {
  const base = baseResponseCode(rc)
  const authFailure = rc & 0x080 ? base === TPM_RC.AUTH_FAIL || base === TPM_RC.BAD_AUTH : false
  let where = ''
  if (rc & 0x080) {
    const n = (rc >> 8) & 0xf
    if (rc & 0x040) where = ` (parameter ${n})`
    else if (n & 0x8) where = ` (session ${n & 0x7})`
    else if (n) where = ` (handle ${n})`
  }
  return { text: `${TEXT.get(base) ?? 'refused by the TPM'}${where}`, authFailure }
}
