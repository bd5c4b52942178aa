import {
  type BigIntStats,
  fstatSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { type Io, systemIo } from '../../../lineage/writer/io.ts'

/** A file whatever its name: inode numbers are used again, so the time of its making belongs to it. */
type FileId = string

/** Names in a directory, with their files; null is a directory. */
type Names = ReadonlyMap<string, FileId | null>

/** What would be on the disk if the power went now: per directory the synced names, per file the synced bytes. */
export interface DiskImage {
  readonly names: ReadonlyMap<string, Names>
  readonly bytes: ReadonlyMap<FileId, Buffer>
}

export interface PowerLossIo extends Io {
  /** The worst that a power loss at this moment leaves. */
  image(): DiskImage
  /** Is called before each sync. */
  beforeSync: () => void
}

function fileId({ ino, birthtimeNs }: BigIntStats): FileId {
  return `${ino} ${birthtimeNs}`
}

function fileAt(path: string): FileId | null {
  const stat = lstatSync(path, { bigint: true })
  return stat.isDirectory() ? null : fileId(stat)
}

/**
 * System calls that remember what has been synced: a file's bytes survive from its last fsync or fdatasync, a name from the last fsync
 * of its directory, and nothing else does.
 */
export function powerLossIo(): PowerLossIo {
  const names = new Map<string, Names>()
  const bytes = new Map<FileId, Buffer>()
  const remember = (fd: number) => {
    const path = readlinkSync(`/proc/self/fd/${fd}`)
    const stat = fstatSync(fd, { bigint: true })
    if (!stat.isDirectory()) bytes.set(fileId(stat), readFileSync(`/proc/self/fd/${fd}`))
    else names.set(path, new Map(readdirSync(path).map(name => [name, fileAt(join(path, name))])))
  }
  const io: PowerLossIo = {
    ...systemIo,
    beforeSync: () => undefined,
    async fsync(fd) {
      io.beforeSync()
      await systemIo.fsync(fd)
      remember(fd)
    },
    async fdatasync(fd) {
      io.beforeSync()
      await systemIo.fdatasync(fd)
      remember(fd)
    },
    image: () => ({ names: new Map(names), bytes: new Map(bytes) }),
  }
  return io
}

/** Writes an image of `source` to another directory. A file whose bytes were never synced is empty. */
export function materialise({ names, bytes }: DiskImage, source: string, target: string): void {
  mkdirSync(target, { recursive: true })
  for (const [name, file] of names.get(source) ?? []) {
    if (file === null) materialise({ names, bytes }, join(source, name), join(target, name))
    else writeFileSync(join(target, name), bytes.get(file) ?? '')
  }
}
