import { WritError } from '../../encoding/error.ts'

/**
 * Statuses of the launcher, in the order of `enum wire_status` (native/shared/wire.h): the place in the list is the number
 * on the wire.
 */
export const LAUNCHER_STATUSES = [
  'OK',
  'MALFORMED',
  'NOT_GREETED',
  'BAD_LEASE',
  'UNKNOWN_EXECUTION',
  'ID_IN_USE',
  'BAD_STATE',
  'CAPACITY',
  'UID_REFUSED',
  'GID_REFUSED',
  'LIMIT_UNENFORCEABLE',
  'SUBJECT_OPEN',
  'SUBJECT_NOT_REGULAR',
  'SUBJECT_TOO_LARGE',
  'SUBJECT_READ',
  'STAGE_TIMEOUT',
  'INTERPRETER_REFUSED',
  'DIGEST_MISMATCH',
  'PROGRAM_REFUSED',
  'EPOCH_OVER',
  'LEASE_OVER',
  'EXPIRED',
  'PARENT_ENDED',
  'SUBJECT_HIDDEN',
  'WRITABLE_REFUSED',
  'CWD_REFUSED',
  'SANDBOX_FAILED',
  'EXEC_FAILED',
  'LOG_UNAVAILABLE',
  'ENDED',
  'INTERNAL',
  'DEVICE_REFUSED',
  'CHILDREN_REFUSED',
  'SECRET_REFUSED',
  'CALLER_UNKNOWN',
  'STREAM_REFUSED',
] as const

/** What the launcher can answer, and what can go wrong on the way to it. */
export type LauncherErrorCode =
  | Exclude<(typeof LAUNCHER_STATUSES)[number], 'OK'>
  | 'UNREACHABLE'
  | 'DISCONNECTED'
  | 'PROTOCOL'
  | 'INVALID_ORDER'

/** Steps of closing an execution in, in the order of `enum step` (native/launchd/sandbox/sandbox.h). */
export const SANDBOX_STEPS = [
  'clone',
  'private mounts',
  'copies of subjects',
  'places of mounts',
  'read-only root',
  'devices',
  'proc',
  'network',
  'identity',
  'Landlock',
  'seccomp',
  'files',
  'timeout',
  'own socket',
] as const

/** An order that was not carried out. `errno` and `index` (of a subject, path or step) are there when they say more. */
export class LauncherError extends WritError<LauncherErrorCode> {
  readonly errno: number | null
  readonly index: number | null

  constructor(
    code: LauncherErrorCode,
    message: string,
    options: { errno?: number | null; index?: number | null; at?: string | undefined; cause?: unknown } = {},
  ) {
    super(code, message, { at: options.at, cause: options.cause })
    this.errno = options.errno ?? null
    this.index = options.index ?? null
  }
}
