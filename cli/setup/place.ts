import { mkdir, stat } from 'node:fs/promises'
import { CliError } from '../error.ts'
import { systemReason } from '../files.ts'

/**
 * Makes the directory of configuration and documents, or accepts one that nobody but root can write. It may be behind a link.
 *
 * @throws CliError
 */
export async function ensurePlace(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o755 })
  } catch (cause) {
    throw new CliError('FILE_UNWRITABLE', `cannot make the directory ${path}: ${systemReason(cause)}`, {
      at: path,
      cause,
    })
  }
  const { mode, uid } = await stat(path)
  if ((mode & 0o022) === 0 && (uid === 0 || uid === process.geteuid?.())) return
  throw new CliError('HOST_UNFIT', `${path} can be written by others than root`, {
    at: path,
    next: `chown root: ${path}; chmod 755 ${path}`,
  })
}
