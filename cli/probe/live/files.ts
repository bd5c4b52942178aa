import { createHash } from 'node:crypto'
import { constants, type Stats } from 'node:fs'
import { lstat, open, opendir, readlink, stat, statfs } from 'node:fs/promises'
import { systemReason } from '../../files.ts'
import { type Look, seen, type Unseen, unseen } from '../look.ts'
import type { FileFacts, FileProbe, SpaceFacts } from '../probes.ts'

const DEFAULT_MOST = 1 << 20
const MOST_NAMES = 100_000
const CHUNK = 1 << 16

/** @param root what stands for `/`; empty for the host's own */
export function liveFiles(root: string): FileProbe {
  const at = (path: string): string => `${root}${path}`
  return {
    read: (path, most = DEFAULT_MOST) => look(() => readAtMost(at(path), most)),
    sha256: path => look(() => digestOf(at(path))),
    stat: path => look(async () => factsOf(await stat(at(path)))),
    lstat: path => look(async () => factsOf(await lstat(at(path)))),
    link: path => look(() => readlink(at(path))),
    list: path => look(() => namesIn(at(path))),
    space: path => look(() => spaceOf(at(path))),
  }
}

class Unreadable extends Error {}

async function look<T>(work: () => Promise<T>): Promise<Look<T>> {
  try {
    return seen(await work())
  } catch (error) {
    return whyUnseen(error)
  }
}

/** What an error of the file system says. */
export function whyUnseen(error: unknown): Unseen {
  const code = error instanceof Error && 'code' in error ? String(error.code) : null
  const reason = systemReason(error)
  if (code === 'ENOENT' || code === 'ENOTDIR') return unseen('missing', reason, code)
  if (code === 'EACCES' || code === 'EPERM') return unseen('denied', reason, code)
  return unseen('failed', reason, code)
}

/** Files below /sys and /proc have no size, so the end is found by reading. Never waits for a pipe or a terminal. */
async function readAtMost(path: string, most: number): Promise<Buffer> {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
  try {
    if (!(await file.stat()).isFile()) throw new Unreadable('it is not a regular file')
    const chunks: Buffer[] = []
    for (let total = 0; ; ) {
      const chunk = Buffer.allocUnsafe(CHUNK)
      const { bytesRead } = await file.read(chunk, 0, chunk.length)
      if (bytesRead === 0) return Buffer.concat(chunks)
      total += bytesRead
      if (total > most) throw new Unreadable(`it has more than ${most} bytes`)
      chunks.push(chunk.subarray(0, bytesRead))
    }
  } finally {
    await file.close()
  }
}

async function digestOf(path: string): Promise<string> {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
  try {
    if (!(await file.stat()).isFile()) throw new Unreadable('it is not a regular file')
    const hash = createHash('sha256')
    const piece = Buffer.allocUnsafe(1 << 20)
    for (;;) {
      const { bytesRead } = await file.read(piece, 0, piece.length)
      if (bytesRead === 0) return hash.digest('hex')
      hash.update(piece.subarray(0, bytesRead))
    }
  } finally {
    await file.close()
  }
}

async function namesIn(path: string): Promise<string[]> {
  const names: string[] = []
  for await (const { name } of await opendir(path)) {
    names.push(name)
    if (names.length >= MOST_NAMES) break
  }
  return names.sort()
}

async function spaceOf(path: string): Promise<SpaceFacts> {
  const { type, bsize, blocks, bavail, files, ffree } = await statfs(path)
  return {
    type,
    bytesTotal: blocks * bsize,
    bytesFree: bavail * bsize,
    inodesTotal: files,
    inodesFree: ffree,
  }
}

function factsOf(stats: Stats): FileFacts {
  const { mode, uid, gid, size, mtimeMs } = stats
  return { kind: kindOf(stats), mode: mode & 0o7777, uid, gid, size, mtimeMs }
}

function kindOf(stats: Stats): FileFacts['kind'] {
  if (stats.isFile()) return 'file'
  if (stats.isDirectory()) return 'directory'
  if (stats.isSymbolicLink()) return 'link'
  if (stats.isSocket()) return 'socket'
  if (stats.isCharacterDevice()) return 'character-device'
  return stats.isBlockDevice() ? 'block-device' : 'pipe'
}
