import type { Stats } from 'node:fs'
import { lstat, mkdir, stat } from 'node:fs/promises'
import { modeText } from '../config/identity.ts'
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
  if (isOwn(await stat(path))) return
  throw new CliError('HOST_UNFIT', `${path} can be written by others than root`, {
    at: path,
    next: `chown root: ${path}; chmod 755 ${path}`,
  })
}

/**
 * Looks at a file or directory that is to be signed as it is. A link is none: what it leads to can be changed where that is.
 *
 * @throws CliError `HOST_UNFIT` where others than root can change it: what somebody has looked at need not be what is signed
 */
export async function statOwn(path: string, kind: 'file' | 'directory'): Promise<Stats> {
  const info = await lstat(path)
  const isKind = kind === 'file' ? info.isFile() : info.isDirectory()
  if (isKind && isOwn(info)) return info
  throw new CliError(
    'HOST_UNFIT',
    `${path} is not signed: it has to be a ${kind} of root that nobody else can write`,
    {
      at: path,
      lines: [isKind ? `it is of uid ${info.uid}, mode ${modeText(info)}` : `it is no ${kind}`],
      next: `Look at what is in it; then \`chown root: ${path}\` and \`chmod go-w ${path}\`, or move it away.`,
    },
  )
}

/** Whether nobody can write it but root, or whoever runs this. */
function isOwn({ mode, uid }: Stats): boolean {
  return (mode & 0o022) === 0 && (uid === 0 || uid === process.geteuid?.())
}
