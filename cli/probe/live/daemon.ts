import { api } from '../../../proto/client.ts'
import { CliError } from '../../error.ts'
import { withDaemon } from '../../rpc/daemon.ts'
import { seen, unseen } from '../look.ts'
import type { DaemonProbe } from '../probes.ts'

/** A socket of the service manager takes connections that nobody answers. */
const DEADLINE_MS = 5_000

/** @param socket the daemon's */
export function liveDaemon(socket: string): DaemonProbe {
  return {
    socket,
    status: async () => {
      try {
        const { status } = await withDaemon({ socket }, daemon =>
          daemon.call(api.attestation.GetStatus, {}, { deadlineMs: DEADLINE_MS }),
        )
        return status === null ? unseen('failed', 'the daemon gave no status') : seen(status)
      } catch (error) {
        if (!(error instanceof CliError)) throw error
        return unseen(error.code === 'DAEMON_UNREACHABLE' ? 'missing' : 'failed', error.message, error.code)
      }
    },
  }
}
