import { constants } from 'node:fs'
import { type FileHandle, open, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { CliError } from './error.ts'
import { writeDocument } from './files.ts'
import { ensureDirectory, LOG_KEY, type Owner } from './state-directory.ts'

const SECRETS = ['secrets.json', LOG_KEY] as const
const MAX_SECRET_BYTES = 64 << 10

/**
 * Makes the directory of the secrets, of whoever runs this (root) and closed to everybody else, and moves there what an earlier run left
 * beside the identity. Can be repeated from wherever it was interrupted: a secret is removed from its old place only once it is in the new one.
 *
 * @param identity the directory of the identity, where `owner`, the daemon's user, may have put anything
 * @throws CliError
 */
export async function prepareCredentials(directory: string, identity: string, owner: Owner): Promise<void> {
  const self = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 }
  await ensureDirectory(directory, self, 0o700)
  for (const name of SECRETS) {
    const old = join(identity, name)
    const bytes = await readLeft(old, [owner.uid, self.uid])
    if (bytes === null) continue
    const path = join(directory, name)
    const there = await readLeft(path, [self.uid])
    if (there !== null && !there.equals(bytes)) {
      throw new CliError('HOST_UNFIT', `${old} and ${path} are two different secrets of this host`, {
        at: old,
        next: 'Move away the one that is not in use: the daemon under the package uses the second.',
      })
    }
    if (there === null) await writeDocument(path, bytes, { mode: 0o600 })
    await unlink(old)
  }
}

/** A file of one of these users; never through a link, which would have us hand over somebody else's file. */
async function readLeft(path: string, uids: readonly number[]): Promise<Buffer | null> {
  let file: FileHandle
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return null
    throw unfit(path, cause)
  }
  try {
    const info = await file.stat()
    if (!info.isFile() || !uids.includes(info.uid) || info.size > MAX_SECRET_BYTES) throw unfit(path)
    return await file.readFile()
  } finally {
    await file.close()
  }
}

function unfit(path: string, cause?: unknown): CliError {
  return new CliError('HOST_UNFIT', `${path} is not a file that \`writ init\` made`, {
    at: path,
    cause,
    next: 'Nothing was changed. Look at what put it there.',
  })
}
