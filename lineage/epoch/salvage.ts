import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { decodeBundle, MAX_BUNDLE_BYTES } from '../c2sp/entry-bundle.ts'
import { MAX_NOTE_BYTES } from '../c2sp/note.ts'
import { parseTilePath, TILE_WIDTH, type TileName, tilePath } from '../c2sp/tile-path.ts'
import { type Checkpoint, parseCheckpoint, type TreeHead } from '../checkpoint.ts'
import { LineageError } from '../error.ts'
import { type LineageEvent, parseEvent } from '../events/index.ts'
import { CompactRange, EMPTY_ROOT, HASH_SIZE, leafHash } from '../tree/merkle.ts'
import { type Io, systemIo } from '../writer/io.ts'
import { layout } from '../writer/recovery.ts'
import { StateFiles } from '../writer/state.ts'
import { splitTile } from '../writer/tile-store.ts'
import type { Fault } from './fault.ts'
import { openRegular } from './files.ts'
import { readTailEntries } from './tail-entries.ts'

/** Levels of subtree that a tile spans: 2^8 = 256 (C2SP tlog-tiles). */
const TILE_HEIGHT = 8

/** What can be read of a log that may be broken anywhere. */
export interface Salvage {
  /** The longest beginning of which every entry is there, is the one that its tile names, and goes with what was promised. */
  readonly beginning: TreeHead
  /** Entries behind it that can be read. */
  readonly beyond: number
  /** The newest published checkpoint; null if there is none or it cannot be read. */
  readonly checkpoint: Checkpoint | null
  readonly note: Buffer | null
  /** What is wrong, the worst first; empty if all entries are there and every promise holds. */
  readonly faults: readonly Fault[]
}

/**
 * Reads whatever can be read of a log, in order, and finds how much of it is whole. Writes nothing, follows no link.
 *
 * @param directory controlled by whoever broke it
 * @param visit is told of every event that can be read; of those behind the beginning nothing vouches for the place
 */
export async function salvage(
  directory: string,
  visit: (event: LineageEvent, index: number) => void | Promise<void>,
  io: Io = systemIo,
): Promise<Salvage> {
  const faults: Fault[] = []
  const note = await readNote(directory, faults)
  const promised = await promisedHeads(directory, note?.checkpoint ?? null, io, faults)
  const tail = await readTailEntries(layout(directory).tail, faults)
  const bundles = await namesOf(directory)
  // Only those that have a file: whoever broke the log may have made one of any number.
  const numbers = new Set(bundles.keys())
  for (const index of tail.keys()) numbers.add(Math.floor(index / TILE_WIDTH))

  const range = new CompactRange()
  const upper = new UpperTiles(directory, faults)
  const wanted = new Set(promised.map(({ head }) => head.size))
  const rootsAt = new Map<number, Buffer>([[0, EMPTY_ROOT]])
  let whole = true
  let beyond = 0
  let missing: number | null = null
  let expected = 0
  for (const number of [...numbers].sort((a, b) => a - b)) {
    if (number > expected) {
      missing ??= expected * TILE_WIDTH
      whole = false
    }
    expected = number + 1
    const { entries, fault } = await readBundle(directory, number, bundles.get(number) ?? [])
    if (fault !== null) faults.push(fault)
    const hashes = await readTile(directory, { level: 0, index: number, width: TILE_WIDTH })
    const inTail = tail.has(number * TILE_WIDTH)
    if (hashes === null && entries.length === TILE_WIDTH && !inTail) faults.push(missingTile(0, number))
    for (let i = 0; i < TILE_WIDTH; i++) {
      const index = number * TILE_WIDTH + i
      const entry = entries[i] ?? tail.get(index)
      if (entry === undefined) {
        missing ??= index
        whole = false
        continue
      }
      if (missing !== null && beyond === 0)
        faults.push(lost(`entry ${missing} and what follows it cannot be read`, number))
      const leaf = leafHash(entry)
      if (whole && differs(leaf, hashes?.[i], entry, tail.get(index))) {
        faults.push(lost(`entry ${index} is not the one that was written`, number))
        whole = false
      }
      if (whole) {
        range.append(leaf, upper.collect)
        if (wanted.has(range.size)) rootsAt.set(range.size, range.root())
      } else beyond++
      await tell(entry, index, visit)
    }
    await upper.compare(inTail)
  }
  const beginning = held(promised, { size: range.size, root: range.root() }, rootsAt, faults)
  return {
    beginning,
    beyond: beyond + range.size - beginning.size,
    checkpoint: note?.checkpoint ?? null,
    note: note?.bytes ?? null,
    faults,
  }
}

/** A log's first entry, from wherever it can be read; nothing vouches for it. */
export async function firstEntryOf(directory: string): Promise<Buffer | undefined> {
  const { entries } = await readBundle(directory, 0, (await namesOf(directory)).get(0) ?? [])
  return entries[0] ?? (await readTailEntries(layout(directory).tail, [])).get(0)
}

function lost(message: string, bundle: number): Fault {
  const at = tilePath({ level: 'entries', index: bundle, width: TILE_WIDTH })
  return { code: 'LINEAGE_BROKEN', message, at }
}

/** A tile says another hash, or two files have another entry in one place. */
function differs(leaf: Buffer, hash: Buffer | undefined, entry: Buffer, other: Buffer | undefined): boolean {
  return (hash !== undefined && !hash.equals(leaf)) || (other !== undefined && !other.equals(entry))
}

async function tell(
  entry: Buffer,
  index: number,
  visit: (event: LineageEvent, index: number) => void | Promise<void>,
): Promise<void> {
  let event: LineageEvent
  try {
    event = parseEvent(entry)
  } catch (error) {
    if (error instanceof LineageError) return
    throw error
  }
  await visit(event, index)
}

/** The beginning, cut back to the newest promise that holds where one does not. */
function held(
  promised: readonly { readonly at: string; readonly head: TreeHead }[],
  found: TreeHead,
  rootsAt: ReadonlyMap<number, Buffer>,
  faults: Fault[],
): TreeHead {
  let best: TreeHead = { size: 0, root: EMPTY_ROOT }
  let broken = false
  for (const { at, head } of promised) {
    if (head.size > found.size) {
      const message = `it speaks of ${head.size} entries, ${found.size} are left as a whole`
      faults.push({ code: 'LINEAGE_ROLLED_BACK', message, at })
    } else if (rootsAt.get(head.size)?.equals(head.root)) {
      if (head.size > best.size) best = head
    } else {
      faults.push({
        code: 'LINEAGE_BROKEN',
        message: `it speaks of another tree of ${head.size} entries`,
        at,
      })
      broken = true
    }
  }
  return broken ? best : found
}

async function readNote(
  directory: string,
  faults: Fault[],
): Promise<{ readonly checkpoint: Checkpoint; readonly bytes: Buffer } | null> {
  const bytes = await readWhole(join(directory, 'checkpoint'), MAX_NOTE_BYTES)
  if (bytes === null) return null
  try {
    return { checkpoint: parseCheckpoint(bytes), bytes }
  } catch (error) {
    faults.push({
      code: 'LINEAGE_BROKEN',
      message: `the checkpoint is damaged: ${String(error)}`,
      at: 'checkpoint',
    })
    return null
  }
}

async function promisedHeads(
  directory: string,
  checkpoint: Checkpoint | null,
  io: Io,
  faults: Fault[],
): Promise<{ readonly at: string; readonly head: TreeHead }[]> {
  const { state: path, scratch } = layout(directory)
  const state = new StateFiles(io, path, scratch)
  const heads = checkpoint === null ? [] : [{ at: 'checkpoint', head: checkpoint as TreeHead }]
  for (const name of ['pending', 'anchor', 'stop'] as const) {
    const at = `state/${name}`
    try {
      const head = state.read(name)
      if (head !== undefined) heads.push({ at, head })
    } catch (error) {
      faults.push({
        code: 'LINEAGE_BROKEN',
        message: error instanceof Error ? error.message : String(error),
        at,
      })
    }
  }
  return heads
}

/** Widths of the bundles of each number that have a file. */
async function namesOf(directory: string): Promise<Map<number, number[]>> {
  const found = new Map<number, number[]>()
  const names = await readdir(join(directory, 'tile/entries'), { recursive: true }).catch(() => [])
  for (const name of names) {
    try {
      const { index, width } = parseTilePath(`tile/entries/${name}`)
      if (!Number.isSafeInteger((index + 1) * TILE_WIDTH)) continue
      found.set(
        index,
        [...(found.get(index) ?? []), width].sort((a, b) => b - a),
      )
    } catch (error) {
      // Directories on the way, and what does not belong there.
      if (!(error instanceof LineageError)) throw error
    }
  }
  return found
}

/** The widest bundle of this number that can be read. */
async function readBundle(
  directory: string,
  index: number,
  widths: readonly number[],
): Promise<{ readonly entries: readonly Buffer[]; readonly fault: Fault | null }> {
  let fault: Fault | null = null
  for (const width of widths) {
    const path = tilePath({ level: 'entries', index, width })
    const bytes = await readWhole(join(directory, path), MAX_BUNDLE_BYTES)
    try {
      if (bytes === null) throw new LineageError('LINEAGE_BROKEN', 'it cannot be read')
      return { entries: decodeBundle(bytes, width), fault }
    } catch (error) {
      fault ??= {
        code: 'LINEAGE_BROKEN',
        message: error instanceof Error ? error.message : String(error),
        at: path,
      }
    }
  }
  return { entries: [], fault }
}

/** Holds the tiles above the lowest against what the entries make. */
class UpperTiles {
  readonly #directory: string
  readonly #faults: Fault[]
  readonly #rows: Buffer[][] = []
  readonly #compared: number[] = []

  constructor(directory: string, faults: Fault[]) {
    this.#directory = directory
    this.#faults = faults
  }

  readonly collect = (height: number, subtree: Buffer): void => {
    const level = height / TILE_HEIGHT
    if (level < 1 || !Number.isInteger(level)) return
    this.#rows[level] ??= []
    this.#rows[level].push(subtree)
  }

  /** @param pending whether the newest entries are in the tail yet, and so may be in no tile */
  async compare(pending: boolean): Promise<void> {
    for (const [level, row] of this.#rows.entries()) {
      if (row === undefined || row.length < TILE_WIDTH) continue
      const index = this.#compared[level] ?? 0
      this.#compared[level] = index + 1
      const made = row.splice(0, TILE_WIDTH)
      const found = await readTile(this.#directory, { level, index, width: TILE_WIDTH })
      if (found === null && !pending) this.#faults.push(missingTile(level, index))
      if (found === null || Buffer.concat(made).equals(Buffer.concat(found))) continue
      const at = tilePath({ level, index, width: TILE_WIDTH })
      this.#faults.push({ code: 'LINEAGE_BROKEN', message: 'the tile is not what the entries make', at })
    }
  }
}

function missingTile(level: number, index: number): Fault {
  const at = tilePath({ level, index, width: TILE_WIDTH })
  return { code: 'LINEAGE_BROKEN', message: 'the tile is missing or of another length', at }
}

/** The hashes of a full tile; null where it is missing or of another length. */
async function readTile(directory: string, name: TileName): Promise<readonly Buffer[] | null> {
  const bytes = await readWhole(join(directory, tilePath(name)), TILE_WIDTH * HASH_SIZE)
  return bytes?.length === TILE_WIDTH * HASH_SIZE ? splitTile(bytes) : null
}

/** Null for what is not there, no regular file, too large or unreadable. */
async function readWhole(path: string, most: number): Promise<Buffer | null> {
  try {
    const file = await openRegular(path)
    if (file === null) return null
    try {
      return (await file.stat()).size > most ? null : await file.readFile()
    } finally {
      await file.close()
    }
  } catch {
    return null
  }
}
