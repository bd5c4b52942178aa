import type { LauncherClient } from './client.ts'
import { decodeCaller } from './decode.ts'
import { encodeCaller } from './encode.ts'
import type { CallerProgram, CallingProcess } from './types.ts'
import { MESSAGE } from './wire.ts'

/**
 * Has the launcher hash the executable of a process, with the rights of its uid and gid.
 *
 * @throws LauncherError `CALLER_UNKNOWN` for root's, for one that is not dumpable, and for one that has ended or is another than the pidfd's;
 * `SUBJECT_TOO_LARGE`; `STAGE_TIMEOUT`; `CAPACITY` when file systems still keep those who looked before
 */
export function lookAtCaller(
  launcher: Pick<LauncherClient, 'order'>,
  caller: CallingProcess,
): Promise<CallerProgram> {
  return launcher.order('CALLER', MESSAGE.caller, encodeCaller(caller), ({ body }) => decodeCaller(body), {
    descriptors: [caller.pidfd],
  })
}
