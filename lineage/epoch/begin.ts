import { existsSync } from 'node:fs'
import { lchown, lstat, readdir, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { LineageError } from '../error.ts'
import type { LineageEvent } from '../events/index.ts'
import { Lineage } from '../lineage.ts'
import { syncDirectory } from '../writer/durable.ts'
import { errno, type Io, systemIo } from '../writer/io.ts'
import { epochOf } from './origin.ts'
import { firstEntryOf } from './salvage.ts'

/** Where the next epoch is made, beside the log: it is the log's name with this behind it. */
const NEXT = '.next'

/** Where a log that was put aside is kept, beside the one that took its place. */
export function asideDirectory(directory: string, epoch: number): string {
  return `${directory}.epoch-${epoch}`
}

/** Epochs that were put aside beside a log. */
export async function asideEpochs(directory: string): Promise<number[]> {
  const name = `${directory.slice(dirname(directory).length + 1)}.epoch-`
  return (await readdir(dirname(directory)))
    .filter(found => found.startsWith(name) && /^[1-9][0-9]{0,8}$/.test(found.slice(name.length)))
    .map(found => Number(found.slice(name.length)))
    .sort((a, b) => a - b)
}

/** The log that was put aside last; null if none was. */
export async function newestAside(directory: string): Promise<string | null> {
  const newest = (await asideEpochs(directory)).at(-1)
  return newest === undefined ? null : asideDirectory(directory, newest)
}

/** What the new log begins with. */
export interface Beginning {
  /** The name of the first epoch. */
  readonly base: string
  /** The epoch that is put aside; the new one is the next. */
  readonly previous: number
  /** Stores what the first entries name and gives the entries, `epoch` first. */
  entries(log: Pick<Lineage, 'putBlob'>): Promise<readonly LineageEvent[]>
}

/**
 * Puts a log aside whole and begins the next epoch in its place. Nothing of the old log is written or deleted. The new log is made and synced beside it
 * before either gets its new name, so that whenever this ends, running it again ends well: either the old log is still in its place, or
 * {@link finishEpoch} has to give the new one its name.
 *
 * The caller holds the writer's lock of the old log, which goes along with it.
 *
 * @param directory of the log; where it is gone altogether, only the new one is made
 * @returns where the old log is now; null where there was none
 * @throws LineageError; the system's error when a directory cannot be given its name
 */
export async function beginEpoch(
  directory: string,
  { base, previous, entries }: Beginning,
  io: Io = systemIo,
): Promise<string | null> {
  const next = directory + NEXT
  const aside = asideDirectory(directory, previous)
  const old = existsSync(directory)
  if (old && existsSync(aside))
    throw new LineageError('LINEAGE_BROKEN', `${aside} is there already`, { at: aside })
  // Half made by one that was cut short: nothing but this ever knew of it.
  await rm(next, { recursive: true, force: true })
  const log = await Lineage.open(next, { origin: base, create: true, io })
  try {
    for (const event of await entries(log)) await log.append(event)
  } finally {
    await log.close()
  }
  const owner = await lstat(old ? directory : dirname(directory))
  await give(next, owner)
  if (old) {
    await io.rename(directory, aside)
    await syncDirectory(io, dirname(directory))
  }
  await io.rename(next, directory)
  await syncDirectory(io, dirname(directory))
  return old ? aside : null
}

/**
 * Gives a new epoch its name where that was cut short: the old log has been put aside, and so the new one is whole.
 *
 * @returns whether there was anything to do
 */
export async function finishEpoch(directory: string, io: Io = systemIo): Promise<boolean> {
  const next = directory + NEXT
  if (existsSync(directory) || !existsSync(next)) return false
  const epoch = epochOf(await firstEntryOf(next))
  if (epoch === 1 || !existsSync(asideDirectory(directory, epoch - 1))) return false
  await io.rename(next, directory)
  await syncDirectory(io, dirname(directory))
  return true
}

/** Gives a tree to whom the old one belongs, the top last. */
async function give(
  path: string,
  { uid, gid }: { readonly uid: number; readonly gid: number },
): Promise<void> {
  const found = await lstat(path)
  if (found.isDirectory()) for (const name of await readdir(path)) await give(join(path, name), { uid, gid })
  if (found.uid === uid && found.gid === gid) return
  await lchown(path, uid, gid).catch(error => {
    // Who is not root has made what is his own.
    if (errno(error) !== 'EPERM' || found.uid !== uid) throw error
  })
}
