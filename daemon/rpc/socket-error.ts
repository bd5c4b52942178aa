import { WritError } from '../../encoding/error.ts'

export type SocketErrorCode =
  | 'PATH_INVALID'
  | 'DIRECTORY_UNSAFE'
  | 'NOT_A_SOCKET'
  | 'IN_USE'
  | 'PROBE_FAILED'
  | 'LISTEN_FAILED'
  | 'PASSED_SOCKET'

/** The daemon's socket cannot be made safely. `at` is the path that is at fault. */
export class SocketError extends WritError<SocketErrorCode> {}
