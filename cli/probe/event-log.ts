import {
  ANY_EVENT_LOG,
  type EventLog,
  EventLogError,
  MAX_EVENT_LOG_BYTES,
  parseEventLog,
} from '../../attestation/index.ts'
import { type Look, seen, unseen } from './look.ts'
import type { FileProbe } from './probes.ts'

/** Where the kernel shows the firmware's log; launchd.conf can name another place. */
export const EVENT_LOG = '/sys/kernel/security/tpm0/binary_bios_measurements'

/** Reads the firmware's log, of whatever format. `code` of one that was read and is none is an EventLogErrorCode. */
export async function readEventLog(files: FileProbe, path = EVENT_LOG): Promise<Look<EventLog>> {
  const bytes = await files.read(path, MAX_EVENT_LOG_BYTES)
  if (!bytes.seen) return bytes
  try {
    return seen(parseEventLog(bytes.value, { ...ANY_EVENT_LOG, padding: false }))
  } catch (error) {
    if (!(error instanceof EventLogError)) throw error
    return unseen('failed', error.message, error.code)
  }
}
