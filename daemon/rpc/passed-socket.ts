import { closeSync, lstatSync, realpathSync } from 'node:fs'
import type { Server } from 'node:net'
import { basename, dirname, join } from 'node:path'
import { listeningSocket } from '../native.ts'
import type { SafeSocket } from './socket.ts'
import { checkAncestors, SOCKET_MODES, type SocketAccess } from './socket-directory.ts'
import { SocketError } from './socket-error.ts'

/** SD_LISTEN_FDS_START (sd_listen_fds(3)). */
const FIRST = 3

/** What the descriptors are called (FileDescriptorName= of the units), and what one without a name is: the API's. */
const NAMES: Readonly<Record<string, keyof PassedSockets>> = {
  api: 'api',
  'writd.socket': 'api',
  unknown: 'api',
  metrics: 'metrics',
}

/** The descriptors of the sockets that the service manager passed to this process; null for one that it did not pass. */
export interface PassedSockets {
  /** That of the API. */
  readonly api: number | null
  /** That of metrics and probes. */
  readonly metrics: number | null
}

/**
 * The sockets that the service manager passed to this process (sd_listen_fds(3)), each at most once. The variables are taken out of the
 * environment.
 *
 * @throws SocketError for others, or for variables that make no sense
 */
export function takePassedSockets(env: NodeJS.ProcessEnv = process.env): PassedSockets {
  const { LISTEN_PID: pid, LISTEN_FDS: count, LISTEN_FDNAMES: names } = env
  for (const name of ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES']) delete env[name]
  const found: { -readonly [K in keyof PassedSockets]: PassedSockets[K] } = { api: null, metrics: null }
  // Meant for another process, from which this one has inherited them.
  if (pid === undefined || pid !== String(process.pid) || count === '0') return found
  const list = names === undefined ? ['unknown'] : names.split(':')
  const which = list.map(name => (Object.hasOwn(NAMES, name) ? NAMES[name] : undefined))
  if (count !== String(list.length) || which.includes(undefined) || new Set(which).size !== which.length)
    throw passed(
      `the service manager passed ${count ?? 'no number of'} descriptors, named ${names ?? 'nothing'}; one socket is expected for the API, and one for metrics`,
    )
  for (const [at, name] of which.entries()) if (name !== undefined) found[name] = FIRST + at
  return found
}

/**
 * Makes `server` listen on a passed socket, after these steps: it is a stream socket of the file system that listens; it is bound where the
 * configuration says; only root and we can put another one in its place; it is open no wider than `access` says. The unit opens the socket, and the
 * configuration is the limit.
 *
 * @throws SocketError `PASSED_SOCKET`, `DIRECTORY_UNSAFE`, `LISTEN_FAILED`
 */
export async function listenPassed(
  server: Server,
  fd: number,
  path: string,
  access: SocketAccess,
): Promise<SafeSocket> {
  const resolved = checkPassed(fd, path)
  checkAncestors(dirname(resolved))
  checkMode(resolved, access)
  await listenOn(server, fd, path)
  // The socket in the file system stays: it is the service manager's, which goes on listening.
  return { path: resolved, close: () => void server.close() }
}

/**
 * Makes `server` listen on a socket that the launcher bound in an execution's own mount namespace, from which its path leads nowhere here.
 *
 * @param fd closed with the server, or when this fails
 * @throws SocketError `PASSED_SOCKET`, `LISTEN_FAILED`
 */
export async function listenInside(server: Server, fd: number, path: string): Promise<SafeSocket> {
  try {
    const { unix, stream, listening } = listeningSocket(fd)
    if (!unix || !stream || !listening) throw passed('what the launcher passed is no socket that listens')
    await listenOn(server, fd, path)
  } catch (error) {
    // A server that does not listen has not taken it.
    if (!server.listening) closeSync(fd)
    throw error
  }
  return { path, close: () => void server.close() }
}

async function listenOn(server: Server, fd: number, path: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', cause =>
      reject(new SocketError('LISTEN_FAILED', 'cannot listen on the passed socket', { at: path, cause })),
    )
    server.listen({ fd, exclusive: true, backlog: BACKLOG }, resolve)
  })
}

/** listen(2) is called once more, and would shorten the queue that the unit asked for (Backlog= in writd.socket). */
const BACKLOG = 1024

function checkPassed(fd: number, path: string): string {
  let facts: ReturnType<typeof listeningSocket>
  try {
    facts = listeningSocket(fd)
  } catch (cause) {
    throw passed('what the service manager passed is no socket', { at: path, cause })
  }
  if (!facts.unix || !facts.stream || !facts.listening || facts.path === null) {
    const wrong = !facts.unix
      ? 'not a Unix socket'
      : !facts.stream
        ? 'not a stream socket (ListenStream=)'
        : !facts.listening
          ? 'not listening (Accept=no)'
          : 'not bound to a path'
    throw passed(`the socket that the service manager passed is ${wrong}`, { at: path })
  }
  const resolved = resolvedPath(path)
  if (resolvedPath(facts.path) === resolved) return resolved
  throw passed(`the socket that the service manager passed is ${facts.path}, and daemon.socket is ${path}`, {
    at: facts.path,
  })
}

function resolvedPath(path: string): string {
  try {
    return join(realpathSync(dirname(path)), basename(path))
  } catch (cause) {
    throw passed('the directory of the passed socket cannot be found', { at: path, cause })
  }
}

function checkMode(path: string, access: SocketAccess): void {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (stat === undefined || !stat.isSocket()) {
    throw passed('the passed socket is no longer where it is bound', { at: path })
  }
  if (stat.uid !== 0 && stat.uid !== process.geteuid?.())
    throw passed(`the passed socket belongs to uid ${stat.uid}`, { at: path })
  const mode = stat.mode & 0o777
  if ((mode & ~SOCKET_MODES[access].socket) === 0) return
  const most = SOCKET_MODES[access].socket.toString(8)
  throw passed(
    `the passed socket has mode ${mode.toString(8)} (SocketMode=), and daemon.socket_access = "${access}" allows ${most} at most`,
    { at: path },
  )
}

function passed(message: string, options?: ConstructorParameters<typeof SocketError>[2]): SocketError {
  return new SocketError('PASSED_SOCKET', message, options)
}
