import { closeSync } from 'node:fs'
import type { Server } from 'node:net'
import { isIP } from 'node:net'
import { listeningSocket } from '../native.ts'
import { listenPassed } from '../rpc/passed-socket.ts'
import { listenSafely, type SafeSocket } from '../rpc/socket.ts'
import { SocketError } from '../rpc/socket-error.ts'

/**
 * Has the server of metrics listen: on the socket that the service manager passed, which is a Unix socket that the group at most may reach or one
 * of the loopback interface, or else on a Unix socket of our own at the configured path.
 *
 * @param passed the descriptor, closed when this fails; null: none was passed
 * @param path null: none is configured
 * @returns null if there is nothing to listen on
 * @throws SocketError
 */
export async function listenForMetrics(
  server: Server,
  passed: number | null,
  path: string | null,
): Promise<SafeSocket | null> {
  let taken = false
  server.once('listening', () => {
    taken = true
  })
  if (passed === null) return path === null ? null : listenSafely(server, path, 'group')
  try {
    const facts = listeningSocket(passed)
    // Wherever it is bound: the unit says so, and root alone writes units.
    if (facts.unix) return await listenPassed(server, passed, facts.path ?? '', 'group')
    if (!facts.stream || !facts.listening) throw refused('does not listen (ListenStream=)')
    return await listenOnLoopback(server, passed)
  } catch (error) {
    // A server that never listened has not taken it.
    if (!taken) closeSync(passed)
    throw error instanceof SocketError ? error : refused('is no socket that listens', { cause: error })
  }
}

/** Nobody is accepted before this has looked: a connection comes with a later turn of the loop. */
async function listenOnLoopback(server: Server, fd: number): Promise<SafeSocket> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', cause =>
      reject(new SocketError('LISTEN_FAILED', 'cannot listen on the passed socket', { cause })),
    )
    server.listen({ fd, exclusive: true }, resolve)
  })
  const bound = server.address()
  if (bound === null || typeof bound === 'string' || !isLoopback(bound.address)) {
    server.close()
    const where = bound === null || typeof bound === 'string' ? 'nowhere' : bound.address
    throw refused(`is bound to ${where}: metrics are served to this host alone, on a loopback address`)
  }
  return { path: `${bound.address}:${bound.port}`, close: () => void server.close() }
}

/** 127.0.0.0/8 and ::1 (RFC 6890). */
export function isLoopback(address: string): boolean {
  return isIP(address) === 4 ? address.startsWith('127.') : address === '::1'
}

function refused(what: string, options: { cause?: unknown } = {}): SocketError {
  return new SocketError('PASSED_SOCKET', `the socket for metrics ${what}`, options)
}
