import { existsSync, lstatSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Where units are, the first before the others (systemd.unit(5), "Unit File Load Path"). */
const UNIT_DIRECTORIES = [
  '/etc/systemd/system',
  '/run/systemd/system',
  '/usr/local/lib/systemd/system',
  '/usr/lib/systemd/system',
]
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
export function passedSocket(
  path: string,
  directories: readonly string[] = UNIT_DIRECTORIES,
): PassedSocket | null {
  const unit = socketUnit(directories)
  if (!unit?.listens.includes(path)) return null
  const stat = lstatSync(path, { throwIfNoEntry: false })
  return stat?.isSocket() === true ? { mode: stat.mode & 0o777, from: path } : { mode: unit.mode, from: UNIT }
}

function socketUnit(directories: readonly string[]): { listens: string[]; mode: number } | null {
  const main = directories.map(directory => join(directory, UNIT)).find(file => existsSync(file))
  if (main === undefined) return null
  // Of the same name only the first counts; they are read in the order of their names.
  const additions = new Map<string, string>()
  for (const directory of directories.map(name => join(name, `${UNIT}.d`)))
    for (const name of existsSync(directory) ? readdirSync(directory) : [])
      if (name.endsWith('.conf') && !additions.has(name)) additions.set(name, join(directory, name))
  const files = [main, ...[...additions].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, file]) => file)]
  let listens: string[] = []
  let mode = DEFAULT_MODE
  for (const file of files) {
    for (const [, name, value = ''] of readFileSync(file, 'utf8').matchAll(
      /^[ \t]*(ListenStream|SocketMode)[ \t]*=[ \t]*(.*?)[ \t]*$/gm,
    )) {
      if (name === 'ListenStream') listens = value === '' ? [] : [...listens, value]
      else if (/^[0-7]{3,4}$/.test(value)) mode = Number.parseInt(value, 8) & 0o777
    }
  }
  return { listens, mode }
}
