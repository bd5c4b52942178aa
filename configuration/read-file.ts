import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs'
import { type ExaminedConfig, examineConfig } from './daemon-file.ts'
import { ConfigError, sayProblem } from './problem.ts'
import type { Config } from './schema.ts'

/** Most bytes of writd's configuration. */
export const MAX_CONFIG_BYTES = 1 << 20

/**
 * Reads the configuration file. Whoever can write it decides what the daemon enforces, so it has to belong to root or to the
 * daemon's user and be writable by nobody else.
 *
 * @throws ConfigError with the path, and with the first thing that is wrong
 */
export function readConfig(path: string): Config {
  const { config, problems } = examineFile(path)
  const [first, ...more] = problems
  if (first !== undefined) {
    const error = new ConfigError(first.code, first.message, first)
    const where = first.line === undefined ? ': ' : `, line ${first.line}: `
    const rest = more.length === 0 ? '' : ` (${more.length} more: writ config check ${path})`
    error.message = `${path}${where}${sayProblem(first)}${rest}`
    throw error
  }
  if (config === null) throw new Error('a configuration without a problem is one')
  return config
}

function examineFile(path: string): ExaminedConfig {
  let fd: number
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (cause) {
    throw new ConfigError('CONFIG_UNREADABLE', `${path} cannot be opened`, { cause })
  }
  try {
    const stat = fstatSync(fd)
    if (!stat.isFile()) throw new ConfigError('CONFIG_UNREADABLE', `${path} is not a regular file`)
    const unsafe = whyUnsafe(stat, process.geteuid?.())
    if (unsafe !== null) throw new ConfigError('CONFIG_UNSAFE', `${path} ${unsafe}`)
    if (stat.size > MAX_CONFIG_BYTES)
      throw new ConfigError('CONFIG_SYNTAX', `${path} has more than ${MAX_CONFIG_BYTES} bytes`)
    return examineConfig(readFileSync(fd))
  } finally {
    closeSync(fd)
  }
}

/**
 * Why a file must not decide what the daemon does: somebody else than root and the daemon's user can write it. Null if nobody can.
 *
 * @param uid the daemon's user; undefined where it is not known
 */
export function whyUnsafe(
  stat: { readonly mode: number; readonly uid: number },
  uid: number | undefined,
): string | null {
  if ((stat.mode & 0o022) !== 0) return 'can be written by others than its owner'
  if (stat.uid !== 0 && stat.uid !== uid)
    return `belongs to uid ${stat.uid}, neither root nor the daemon's user`
  return null
}
