import type { Caller, Ownership } from '../core.ts'
import { RequestError } from './errors.ts'

/**
 * Whether a caller may see, and end, what belongs to `owner`. A caller that came through an execution's own socket sees what
 * came through that socket, and nothing by its uid alone: such uids are used again.
 */
export function mayTouch(caller: Caller, owner: Ownership | null): boolean {
  if (caller.auditor) return true
  if (owner === null) return false
  return caller.uid === owner.callerUid && caller.parentExecution === owner.parentExecutionId
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
