import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { lstat, readdir, readlink, stat } from 'node:fs/promises'
import { MAX_TREE_DEPTH, MAX_TREE_ENTRIES, type TreeEntry, treeDigest } from '../authorization/index.ts'
import { CliError } from './error.ts'
import { systemReason } from './files.ts'

const SLASH = Buffer.from('/')
const S_IXUSR = 0o100

/** A directory as one subject: its digest, and how many bytes its files have. */
export interface TreeFound {
  readonly sha256: string
  readonly size: number
}

/**
 * Digests a directory as it is now, with all that is in it.
 *
 * @throws CliError for what cannot be read, or can be no subject: too much, too deep, neither file, directory nor symbolic link
 */
export async function treeOf(path: string): Promise<TreeFound> {
  const entries: TreeEntry[] = []
  try {
    // The path itself may be a symbolic link; nothing below it is followed.
    if (!(await stat(path)).isDirectory()) throw refused(path, 'is no directory')
    const size = await walk(Buffer.from(path), Buffer.alloc(0), 0, entries)
    return { sha256: treeDigest(entries), size }
  } catch (cause) {
    if (cause instanceof CliError) throw cause
    throw new CliError('FILE_MISSING', `cannot read ${path} as a directory: ${systemReason(cause)}`, {
      at: path,
      cause,
    })
  }
}

function refused(path: string, what: string): CliError {
  return new CliError('FILE_UNREADABLE', `${path} ${what}`, { at: path })
}

async function walk(top: Buffer, below: Buffer, depth: number, entries: TreeEntry[]): Promise<number> {
  const directory = below.length === 0 ? top : Buffer.concat([top, SLASH, below])
  if (depth > MAX_TREE_DEPTH) throw refused(String(directory), 'is too deep for a subject')
  let size = 0
  for (const name of await readdir(directory, { encoding: 'buffer' })) {
    const path = below.length === 0 ? name : Buffer.concat([below, SLASH, name])
    const full = Buffer.concat([top, SLASH, path])
    const status = await lstat(full)
    if (entries.length >= MAX_TREE_ENTRIES) throw refused(String(top), 'has too many entries for a subject')
    if (status.isDirectory()) {
      entries.push({ path, kind: 'directory' })
      size += await walk(top, path, depth + 1, entries)
    } else if (status.isSymbolicLink()) {
      entries.push({ path, kind: 'link', target: await readlink(full, { encoding: 'buffer' }) })
    } else if (status.isFile()) {
      const sha256 = await hashOf(full)
      entries.push({ path, kind: 'file', executable: (status.mode & S_IXUSR) !== 0, sha256 })
      size += status.size
    } else throw refused(String(full), 'is neither a file, a directory nor a symbolic link')
  }
  return size
}

async function hashOf(path: Buffer): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer)
  return hash.digest('hex')
}
