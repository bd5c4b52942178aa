import type { Caller, Ownership } from '../core.ts'
import { RequestError } from './errors.ts'

/**
 * Whether a caller may see, and end, what belongs to `owner`: on the main socket what its uid asked for, and all below that; on an execution's own
 * socket what is below that execution, and nothing by its uid, which is used again.
 */
export function mayTouch(caller: Caller, owner: Ownership | null): boolean {
  if (caller.auditor) return true
  if (owner === null) return false
  if (caller.parentExecution !== null) return owner.ancestors.includes(caller.parentExecution)
  return caller.uid === owner.callerUid
}

/**
 * Whether what belongs to `owner` was started by this caller: by its uid on the main socket, or through the own socket of the same execution. An
 * auditor may end what is another's, and does not get into its streams.
 */
export function isItsOwn(caller: Caller, owner: Ownership | null): boolean {
  if (owner === null) return false
  const parent = owner.ancestors[0] ?? null
  return parent === caller.parentExecution && (parent !== null || caller.uid === owner.callerUid)
}

/** @throws RequestError `NOT_ALLOWED` */
export function requireGovernor(caller: Caller): void {
  if (!caller.governor) {
    throw new RequestError(
      'NOT_ALLOWED',
      `uid ${caller.uid} is not one that may change what the daemon enforces`,
    )
  }
}

/** @throws RequestError `NOT_ALLOWED` */
export function requireAuditor(caller: Caller): void {
  if (!caller.auditor) throw new RequestError('NOT_ALLOWED', `uid ${caller.uid} is not an auditor`)
}
