import { constants } from 'node:fs'
import { access } from 'node:fs/promises'
import { api } from '../../../proto/client.ts'
import { CliError } from '../../error.ts'
import { withDaemon } from '../../rpc/daemon.ts'
import { seen, unseen } from '../look.ts'
import type { DaemonProbe } from '../probes.ts'

/** A socket of the service manager takes connections that nobody answers. */
const DEADLINE_MS = 5_000

/** Whether there is a socket that whoever runs this may not connect to, which says nothing of the daemon. */
async function isClosed(socket: string): Promise<boolean> {
  try {
    await access(socket, constants.W_OK)
    return false
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EACCES'
  }
}

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
        if (error.code === 'DAEMON_UNREACHABLE' && (await isClosed(socket)))
          return unseen(
            'denied',
            'this user may not call the daemon: root may, and members of its group',
            'EACCES',
          )
        return unseen(error.code === 'DAEMON_UNREACHABLE' ? 'missing' : 'failed', error.message, error.code)
      }
    },
  }
}
