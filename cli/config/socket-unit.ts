import type { FileProbe } from '../probe/index.ts'
import { readUnit } from '../probe/index.ts'

const UNIT = 'writd.socket'
/** SocketMode= where nothing sets it (systemd.socket(5)). */
const DEFAULT_MODE = 0o666

/** A socket that the service manager opens for the daemon. */
export interface PassedSocket {
  /** Who may connect: the bits of its mode. */
  readonly mode: number
  /** What says so: the socket itself, or the unit where it is not open. */
  readonly from: string
}

/**
 * The socket at `path`, if the unit writd.socket opens it; null where that unit is not installed, listens elsewhere, or cannot be read.
 *
 * @param directories where units are, the first before the others
 */
export async function passedSocket(
  files: FileProbe,
  path: string,
  directories?: readonly string[],
): Promise<PassedSocket | null> {
  const unit = await readUnit(files, UNIT, directories)
  if (!unit?.values('ListenStream').includes(path)) return null
  const socket = await files.lstat(path)
  if (socket.seen && socket.value.kind === 'socket') return { mode: socket.value.mode & 0o777, from: path }
  const mode = unit.values('SocketMode').findLast(value => /^[0-7]{3,4}$/.test(value))
  return { mode: mode === undefined ? DEFAULT_MODE : Number.parseInt(mode, 8) & 0o777, from: UNIT }
}
