import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { lstat, readdir, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { CliError } from './error.ts'
import { systemReason } from './files.ts'

/** A file as IMA would measure it. */
export interface MeasuredFile {
  readonly path: string
  /** `sha256:` and the digest in lower-case hexadecimal. */
  readonly digest: string
}

/** Files that are hashed at one time. */
const AT_ONCE = 8

/**
 * Digests of the regular files below a directory, under the paths that IMA would log for them: those that somebody may execute or that all may
 * read. The digest of a secret (a password file, a key) in a document for everybody would let its content be guessed at. Stays on
 * the directory's file system and follows no link below it.
 *
 * @throws CliError
 */
export async function measureFiles(directory: string): Promise<MeasuredFile[]> {
  try {
    const top = await realpath(directory)
    const { dev } = await lstat(top)
    const paths = await regularFiles(top, dev)
    const measured: MeasuredFile[] = []
    const queue = paths.values()
    const worker = async () => {
      for (const path of queue) measured.push({ path, digest: `sha256:${await hashFile(path)}` })
    }
    await Promise.all(Array.from({ length: AT_ONCE }, worker))
    return measured.sort((a, b) => (a.path < b.path ? -1 : 1))
  } catch (cause) {
    throw new CliError('FILE_UNREADABLE', `cannot hash the files of ${directory}: ${systemReason(cause)}`, {
      at: directory,
      cause,
    })
  }
}

/** Digest of one file, under the path that IMA would log for it. @throws CliError */
export async function measureFile(file: string): Promise<MeasuredFile> {
  try {
    const path = await realpath(file)
    return { path, digest: `sha256:${await hashFile(path)}` }
  } catch (cause) {
    throw new CliError('FILE_UNREADABLE', `cannot hash ${file}: ${systemReason(cause)}`, { at: file, cause })
  }
}

async function regularFiles(top: string, device: number): Promise<string[]> {
  const found: string[] = []
  const pending = [top]
  for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
    for (const entry of await readdir(directory, { withFileTypes: true })) {
      const path = join(directory, entry.name)
      if (entry.isFile() && isMeasured((await lstat(path)).mode)) found.push(path)
      else if (entry.isDirectory() && (await lstat(path)).dev === device) pending.push(path)
    }
  }
  return found
}

/** By the permission bits (inode(7)). */
function isMeasured(mode: number): boolean {
  return (mode & 0o111) !== 0 || (mode & 0o004) !== 0
}

async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const piece of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(piece)
  return hash.digest('hex')
}
