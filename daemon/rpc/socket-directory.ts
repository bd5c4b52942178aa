import { lstatSync, mkdirSync, realpathSync } from 'node:fs'
import { basename, dirname, isAbsolute, join } from 'node:path'
import { SocketError } from './socket-error.ts'

/** Who may reach a socket: the daemon's own user, its group too, or everybody on the host. */
export type SocketAccess = 'owner' | 'group' | 'all'

/** Modes of the directory and the socket. Connecting needs write permission on the socket (unix(7)). */
export const SOCKET_MODES: Record<SocketAccess, { directory: number; socket: number }> = {
  owner: { directory: 0o700, socket: 0o600 },
  group: { directory: 0o750, socket: 0o660 },
  all: { directory: 0o755, socket: 0o666 },
}

/** `sun_path` has 108 bytes with its NUL (unix(7)). */
const MAX_PATH_BYTES = 107

/**
 * Makes sure that nobody but this user and root can put anything else at `path`: the directory is there (made if its parent
 * is), is ours, is no wider than `access` needs, and every directory above belongs to root or us and can be
 * written by no one else, unless it is sticky.
 *
 * @returns the socket's path with every link resolved
 * @throws SocketError `PATH_INVALID`, `DIRECTORY_UNSAFE`
 */
export function prepareSocketDirectory(path: string, access: SocketAccess): string {
  if (!isAbsolute(path) || path.includes('\0') || basename(path) === '') {
    throw new SocketError('PATH_INVALID', 'a socket needs an absolute path', { at: path })
  }
  const directory = makeDirectory(dirname(path), SOCKET_MODES[access].directory)
  checkDirectory(directory, SOCKET_MODES[access].directory)
  checkAncestors(dirname(directory))
  const resolved = join(directory, basename(path))
  if (Buffer.byteLength(resolved) > MAX_PATH_BYTES) {
    throw new SocketError('PATH_INVALID', `a socket's path has at most ${MAX_PATH_BYTES} bytes`, {
      at: resolved,
    })
  }
  return resolved
}

function makeDirectory(directory: string, mode: number): string {
  try {
    const parent = realpathSync(dirname(directory))
    const resolved = join(parent, basename(directory))
    try {
      // The umask can only take bits away, so the directory is never wider than this.
      mkdirSync(resolved, { mode })
    } catch (error) {
      if (!isCode(error, 'EEXIST')) throw error
    }
    return realpathSync(resolved)
  } catch (cause) {
    throw new SocketError('DIRECTORY_UNSAFE', "the socket's directory cannot be made", {
      at: directory,
      cause,
    })
  }
}

function checkDirectory(directory: string, mode: number): void {
  const stat = lstatSync(directory)
  const unsafe = (what: string) =>
    new SocketError('DIRECTORY_UNSAFE', `the socket's directory ${what}`, { at: directory })
  if (!stat.isDirectory()) throw unsafe('is not a directory')
  if (stat.uid !== process.geteuid?.()) throw unsafe(`belongs to uid ${stat.uid}, not to this process`)
  const wide = stat.mode & 0o777 & ~mode
  if (wide !== 0) {
    throw unsafe(`has mode ${(stat.mode & 0o777).toString(8)}, at most ${mode.toString(8)} is allowed`)
  }
}

/** Every directory from `first` up belongs to root or us, and can be written by no one else, unless it is sticky. */
export function checkAncestors(first: string): void {
  for (let at = first; ; at = dirname(at)) {
    const stat = lstatSync(at)
    const others = (stat.mode & 0o022) !== 0 && (stat.mode & 0o1000) === 0
    if (others || (stat.uid !== 0 && stat.uid !== process.geteuid?.())) {
      throw new SocketError('DIRECTORY_UNSAFE', 'somebody else can write above the socket', { at })
    }
    if (at === dirname(at)) return
  }
}

/** Whether an error of the file system has this code. */
export function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
