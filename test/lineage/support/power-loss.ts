import {
  fstatSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { type Io, systemIo } from '../../../lineage/io.ts'

/** Names in a directory, with their inodes; null is a directory. */
type Names = ReadonlyMap<string, number | null>

/** What would be on the disk if the power went now: per directory the synced names, per inode the synced bytes. */
export interface DiskImage {
  readonly names: ReadonlyMap<string, Names>
  readonly bytes: ReadonlyMap<number, Buffer>
}

export interface PowerLossIo extends Io {
  /** The worst that a power loss at this moment leaves. */
  image(): DiskImage
  /** Is called before each sync. */
  beforeSync: () => void
}

function inodeOf(path: string): number | null {
  const stat = lstatSync(path)
  return stat.isDirectory() ? null : stat.ino
}

/**
 * System calls that remember what has been synced: a file's bytes survive from its last fsync or fdatasync, a name from the last fsync
 * of its directory, and nothing else does.
 */
export function powerLossIo(): PowerLossIo {
  const names = new Map<string, Names>()
  const bytes = new Map<number, Buffer>()
  const remember = (fd: number) => {
    const path = readlinkSync(`/proc/self/fd/${fd}`)
    const stat = fstatSync(fd)
    if (!stat.isDirectory()) bytes.set(stat.ino, readFileSync(`/proc/self/fd/${fd}`))
    else names.set(path, new Map(readdirSync(path).map(name => [name, inodeOf(join(path, name))])))
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
  for (const [name, inode] of names.get(source) ?? []) {
    if (inode === null) materialise({ names, bytes }, join(source, name), join(target, name))
    else writeFileSync(join(target, name), bytes.get(inode) ?? '')
  }
}
