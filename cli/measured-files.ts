import { createHash } from 'node:crypto'
import { lstat, open, readdir, realpath } from 'node:fs/promises'
import { join, relative, resolve } from 'node:path'
import { loggedPath } from '../attestation/index.ts'
import { installedPaths } from './debian-packages.ts'
import { CliError } from './error.ts'
import { systemReason } from './files.ts'

/** A file as IMA would measure it. */
export interface MeasuredFile {
  /** As IMA logs it. */
  readonly path: string
  /** `sha256:` and the digest in lower-case hexadecimal. */
  readonly digest: string
}

/** Files that are hashed at one time. */
const AT_ONCE = 8
const newPiece = (): Buffer => Buffer.allocUnsafeSlow(1 << 20)

/** Where the files of a list come from. */
export interface FileSources {
  /** Every file below these. */
  readonly directories?: readonly string[]
  /** Every file of the packages that are installed (dpkg), and the kernel modules. */
  readonly packages?: boolean
  /** What is `/` on the host that the list is for: another one's file system, as mounted here. */
  readonly root?: string
}

/**
 * Digests of the files that an installed system or directories hold: those that somebody may execute or that all may read. The digest of a
 * secret (a password file, a key) in a document for everybody would let its content be guessed at. No link is followed: where one leads to is
 * a file with a path of its own, and IMA logs that one. Stays on each directory's file system.
 *
 * @param check is told of all paths before anything is hashed, which takes minutes where there are many; it may throw
 * @returns by path, each once
 * @throws CliError
 */
export async function measureSources(
  { directories = [], packages = false, root = '/' }: FileSources,
  check: (paths: readonly string[]) => void = () => undefined,
): Promise<MeasuredFile[]> {
  const files = new Map<string, string>()
  const top = await attempt(root, () => realpath(root))
  for (const directory of directories) {
    const found = await attempt(directory, async () => {
      const start = await realpath(directory)
      if (relative(top, start).startsWith('..')) throw new Error(`it is not below ${top}`)
      return regularFiles(start, (await lstat(start)).dev)
    })
    for (const file of found) files.set(file, loggedPath(`/${relative(top, file)}`))
  }
  if (packages) {
    const found = await attempt(join(top, 'var/lib/dpkg'), () => installedPaths(top))
    for (const path of found) {
      const file = join(top, path)
      if (await isMeasuredFile(file)) files.set(file, loggedPath(path))
    }
  }
  check([...files.values()])
  return attempt(root, () => hashAll(files))
}

/** Digest of one file, under the path that IMA would log for it. @throws CliError */
export async function measureFile(file: string): Promise<MeasuredFile> {
  return attempt(file, async () => {
    const path = await realpath(file)
    return { path: loggedPath(path), digest: `sha256:${await hashFile(path, newPiece())}` }
  })
}

async function attempt<T>(what: string, step: () => Promise<T>): Promise<T> {
  try {
    return await step()
  } catch (cause) {
    if (cause instanceof CliError) throw cause
    throw new CliError('FILE_UNREADABLE', `cannot hash the files of ${what}: ${systemReason(cause)}`, {
      at: what,
      cause,
    })
  }
}

async function hashAll(files: ReadonlyMap<string, string>): Promise<MeasuredFile[]> {
  const measured: MeasuredFile[] = []
  const queue = files.entries()
  const worker = async () => {
    const piece = newPiece()
    for (const [file, path] of queue) measured.push({ path, digest: `sha256:${await hashFile(file, piece)}` })
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  return measured.sort((a, b) => (a.path < b.path ? -1 : 1))
}

async function regularFiles(top: string, device: number): Promise<string[]> {
  const found: string[] = []
  const pending = [resolve(top)]
  for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
    for (const entry of await readdir(directory, { withFileTypes: true })) {
      const path = join(directory, entry.name)
      if (entry.isFile() && isMeasured((await lstat(path)).mode)) found.push(path)
      else if (entry.isDirectory() && (await lstat(path)).dev === device) pending.push(path)
    }
  }
  return found
}

/** Whether there is a regular file that a list may name. What a package has and somebody took away is no fault. */
async function isMeasuredFile(path: string): Promise<boolean> {
  try {
    const info = await lstat(path)
    return info.isFile() && isMeasured(info.mode)
  } catch {
    return false
  }
}

/** By the permission bits (inode(7)). */
function isMeasured(mode: number): boolean {
  return (mode & 0o111) !== 0 || (mode & 0o004) !== 0
}

/** @param piece overwritten; one for many files, since most are small and a stream for each costs more than its hash */
async function hashFile(path: string, piece: Buffer): Promise<string> {
  const hash = createHash('sha256')
  const file = await open(path)
  try {
    for (;;) {
      const { bytesRead } = await file.read(piece, 0, piece.length)
      if (bytesRead === 0) return hash.digest('hex')
      hash.update(piece.subarray(0, bytesRead))
    }
  } finally {
    await file.close()
  }
}
