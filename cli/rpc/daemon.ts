import { resolve } from 'node:path'
import { type Command, Option } from 'commander'
import { CallError, DEFAULT_SOCKET, defaultSocket, WritClient } from '../../proto/client.ts'
import { explainCallError } from './error.ts'

export interface SocketOptions {
  socket: string
}

/** Adds the option that names the daemon's socket. */
export function addSocketOption(command: Command): Command {
  return command.addOption(
    new Option(
      '--socket <path>',
      "the daemon's socket (environment: WRIT_SOCKET; an execution's own, where there is one)",
    ).default(socketOfEnvironment() ?? defaultSocket(), DEFAULT_SOCKET),
  )
}

/** As {@link addSocketOption}, for a command that looks into the daemon's configuration where nobody says anything. */
export function addConfiguredSocketOption(command: Command): Command {
  return command.addOption(
    new Option(
      '--socket <path>',
      "the daemon's socket (environment: WRIT_SOCKET; default: as the configuration says)",
    ).default(socketOfEnvironment()),
  )
}

function socketOfEnvironment(): string | undefined {
  const { WRIT_SOCKET } = process.env
  return WRIT_SOCKET === '' ? undefined : WRIT_SOCKET
}

/**
 * Connects to the daemon for one piece of work, and disconnects whatever happens.
 *
 * @throws CliError for every call that failed
 */
export async function withDaemon<T>(
  options: SocketOptions,
  work: (daemon: WritClient) => Promise<T>,
): Promise<T> {
  const socket = resolve(options.socket)
  // Somebody waits at the terminal: what is wrong is said at once.
  const daemon = new WritClient(socket, { retry: { attempts: 1 } })
  try {
    return await work(daemon)
  } catch (error) {
    throw error instanceof CallError ? explainCallError(error, socket) : error
  } finally {
    daemon.close()
  }
}
