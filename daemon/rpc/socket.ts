import { chmodSync, lstatSync, unlinkSync } from 'node:fs'
import { connect, type Server } from 'node:net'
import { DatabaseSync } from 'node:sqlite'
import { isCode, prepareSocketDirectory, SOCKET_MODES, type SocketAccess } from './socket-directory.ts'
import { SocketError } from './socket-error.ts'

/** A server that listens, alone, at a path. */
export interface SafeSocket {
  readonly path: string
  /** Stops listening, which removes the socket, and lets go of the lock. Connections live on. */
  close(): void
}

/**
 * Makes `server` listen at `path`, in this order: the directory is safe; this process alone holds the lock beside the
 * socket; a socket that is there already is answered by nobody, and is removed; the new one is bound with mode 0600 and only
 * then opened as far as `access` says. At no instant is there a socket with a wider mode.
 *
 * @throws SocketError
 */
export async function listenSafely(server: Server, path: string, access: SocketAccess): Promise<SafeSocket> {
  const resolved = prepareSocketDirectory(path, access)
  const unlock = takeLock(`${resolved}.lock`)
  try {
    await removeStale(resolved)
    await bind(server, resolved)
    chmodSync(resolved, SOCKET_MODES[access].socket)
  } catch (error) {
    server.close()
    unlock()
    throw error
  }
  return {
    path: resolved,
    close: () => {
      // libuv unlinks the path within this call; what it calls back for is the end of the last connection.
      server.close()
      unlock()
    },
  }
}

/**
 * Node has no flock(2), and a file with a pid in it cannot be taken over without a race. SQLite's exclusive lock is an fcntl
 * lock, which the kernel drops with the process; nothing is ever stored.
 */
function takeLock(path: string): () => void {
  const umask = process.umask(0o177)
  let database: DatabaseSync | undefined
  try {
    database = new DatabaseSync(path, { timeout: 0 })
    database.exec('PRAGMA journal_mode=MEMORY; BEGIN EXCLUSIVE')
    const held = database
    return () => held.close()
  } catch (cause) {
    database?.close()
    throw new SocketError('IN_USE', 'another daemon holds the lock of this socket', { at: path, cause })
  } finally {
    process.umask(umask)
  }
}

async function removeStale(path: string): Promise<void> {
  let stat: ReturnType<typeof lstatSync>
  try {
    stat = lstatSync(path)
  } catch (error) {
    if (isCode(error, 'ENOENT')) return
    throw new SocketError('PROBE_FAILED', "the socket's path cannot be looked at", { at: path, cause: error })
  }
  if (!stat.isSocket())
    throw new SocketError('NOT_A_SOCKET', 'something else is where the socket goes', { at: path })
  if (await answers(path))
    throw new SocketError('IN_USE', 'another daemon answers on this socket', { at: path })
  unlinkSync(path)
}

/** Only a refused connection says that nobody listens; a full backlog, for one, says the opposite. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const probe = connect(path)
    probe.setTimeout(2000, () => {
      probe.destroy()
      resolve(true)
    })
    probe.once('connect', () => {
      probe.destroy()
      resolve(true)
    })
    probe.once('error', cause => {
      if (isCode(cause, 'ECONNREFUSED')) resolve(false)
      else if (isCode(cause, 'EAGAIN')) resolve(true)
      else reject(new SocketError('PROBE_FAILED', 'the old socket cannot be probed', { at: path, cause }))
    })
  })
}

function bind(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', cause => {
      reject(new SocketError('LISTEN_FAILED', 'cannot listen', { at: path, cause }))
    })
    // bind(2) takes the mode from the umask, and Node calls it before listen() returns.
    const umask = process.umask(0o177)
    try {
      server.listen({ path, exclusive: true }, resolve)
    } finally {
      process.umask(umask)
    }
  })
}
