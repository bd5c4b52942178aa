import { readdirSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { TILE_WIDTH } from '../c2sp/tile-path.ts'
import type { SignedCheckpoint, TreeHead } from '../checkpoint.ts'
import { epochOf, epochOrigin } from '../epoch/origin.ts'
import { LineageError } from '../error.ts'
import { EMPTY_ROOT, leafHash } from '../tree/merkle.ts'
import { rangeRoot } from '../tree/proof.ts'
import { checkTileNames } from '../tree/tile-names.ts'
import { Tree } from '../tree/tree.ts'
import { checkAnchor, type Found, type NvCounter } from './anchor.ts'
import { recheckDamaged } from './damaged.ts'
import { makeDirectory } from './durable.ts'
import type { Health } from './health.ts'
import type { Io } from './io.ts'
import { Journal } from './journal.ts'
import { isThere } from './places.ts'
import { type CheckpointKeys, checkPartials, checkPublished, readCheckpoint } from './published.ts'
import type { SegmentContent } from './segment.ts'
import { StateFiles } from './state.ts'
import { readTail, Tail } from './tail.ts'
import { TileStore } from './tile-store.ts'

/** Where things are below the lineage's directory. Only `state` is the writer's own; the rest is what verifiers read. */
export function layout(directory: string) {
  const state = join(directory, 'state')
  return {
    checkpoint: join(directory, 'checkpoint'),
    state,
    lock: join(state, 'lock'),
    tail: join(state, 'tail'),
    scratch: join(state, 'tmp'),
  }
}

/** A lineage as it was read, in which no promise about it is broken. */
export interface ReadLog {
  readonly tree: Tree
  /** Those that are in the tail, from index `first` on. */
  readonly entries: Buffer[]
  readonly first: number
  /** 1 unless the log took the place of one that could not go on. */
  readonly epoch: number
  /** The name of this epoch of it. */
  readonly origin: string
  readonly checkpoint: SignedCheckpoint | undefined
}

/** A lineage that has been read, checked and made ready to write. */
export interface Recovered {
  readonly tree: Tree
  readonly epoch: number
  readonly origin: string
  readonly journal: Journal
  readonly state: StateFiles
  readonly checkpoint: SignedCheckpoint | undefined
  /** Whether this start made it. */
  readonly created: boolean
  /** Whether the writer before this one ended without a clean stop. */
  readonly unclean: boolean
  /** Whether the counter does not vouch for the files, and an operator accepts them. */
  readonly rolledBack: boolean
}

/**
 * Reads the log up to its right edge and checks every promise about it but the counter's. Writes nothing.
 *
 * @param base the name of the log's first epoch
 * @param keys of the host, which signed the published checkpoint
 * @throws LineageError `LINEAGE_BROKEN`, `LINEAGE_ROLLED_BACK`
 */
export async function readLog(
  directory: string,
  base: string,
  { state, tiles }: { readonly state: StateFiles; readonly tiles: TileStore },
  segments: readonly SegmentContent[],
  keys?: CheckpointKeys,
): Promise<ReadLog> {
  const first = segments[0]?.start ?? 0
  const tree = await Tree.load(first, (level, index) => tiles.readTile(level, index))
  const entries = replay(segments, tree)
  const epoch = epochOf(first === 0 ? entries[0] : await firstEntry(tree, tiles))
  const origin = epochOrigin(base, epoch)
  checkTileNames(directory, first, tree.size)
  const checkpoint = readCheckpoint(directory, origin, keys)
  checkPublished(checkpoint, state)
  await checkHeads(tree, checkpoint, state)
  await checkPartials(directory, checkpoint?.size ?? 0, tree)
  return { tree, entries, first, epoch, origin, checkpoint }
}

/** Which log it is hangs on this entry: a file that is not in the tree must not say it. */
async function firstEntry(tree: Tree, tiles: TileStore): Promise<Buffer> {
  const [entry] = await tiles.readBundle(0)
  if (entry !== undefined && leafHash(entry).equals(await tree.node(0, 0))) return entry
  throw new LineageError('LINEAGE_BROKEN', 'the first entry is not the one in the tree', {
    at: 'tile/entries/000',
  })
}

/**
 * Brings a directory to a known state after whatever happened to the writer before. Nothing is written before all that was
 * promised about the log has been checked. The caller holds the lock.
 *
 * @throws LineageError `LINEAGE_ABSENT`, `LINEAGE_BROKEN`, `LINEAGE_ROLLED_BACK`, `LINEAGE_UNAVAILABLE`
 */
export async function recover(
  directory: string,
  options: {
    create: boolean
    /** The name of its first epoch. */
    origin: string
    counter: NvCounter | undefined
    accepted?: Found | undefined
    keys?: CheckpointKeys | undefined
  },
  io: Io,
  health: Health,
): Promise<Recovered> {
  const paths = layout(directory)
  const state = new StateFiles(io, paths.state, paths.scratch)
  const tiles = new TileStore(io, directory, paths.scratch)
  await makeDirectory(io, paths.tail)
  await makeDirectory(io, paths.scratch)
  for (const name of readdirSync(paths.scratch)) unlinkSync(join(paths.scratch, name))

  const segments = readTail(paths.tail)
  const created = segments.length === 0
  if (created) refuseRemains(directory, options.create)
  const log = await readLog(directory, options.origin, { state, tiles }, segments, options.keys)
  const { tree, entries, first, epoch, origin, checkpoint } = log
  const head = { size: tree.size, root: tree.root() }
  const rolledBack =
    options.counter !== undefined &&
    (await checkAnchor(
      state,
      options.counter,
      tree.size === 0 && options.create,
      { ...head, epoch },
      options.accepted,
    ))
  const unclean = !created && !(await wasStopped(tree, state))

  const tail = new Tail(io, paths.tail, segments.length)
  const journal = new Journal({ health, tail, tiles, tree, entries, first })
  try {
    const start = tree.size - (tree.size % TILE_WIDTH)
    await tail.rotate(start, await rangeRoot(tree.node, 0, start), entries.slice(start - first))
    tail.prepare()
    await state.remove('stop')
    await journal.tile()
    await recheckDamaged(directory, journal, state)
  } catch (error) {
    await journal.close()
    throw error
  }
  return { tree, epoch, origin, journal, state, checkpoint, created, unclean, rolledBack }
}

/**
 * Called where there is no tail: a log without its tail is not a new log.
 *
 * @throws LineageError `LINEAGE_BROKEN`, and `LINEAGE_ABSENT` unless one is to be made
 */
export function refuseRemains(directory: string, create: boolean): void {
  for (const name of ['checkpoint', 'tile', 'state/anchor', 'state/pending', 'state/stop']) {
    if (isThere(join(directory, name))) {
      throw new LineageError('LINEAGE_BROKEN', `there is ${name} but no tail of the log`, { at: name })
    }
  }
  if (!create) throw new LineageError('LINEAGE_ABSENT', 'there is no lineage here', { at: directory })
}

/** Adds the tail's entries to the tree and gives them. Segments overlap by what was not in tiles when the next one began. */
function replay(segments: readonly SegmentContent[], tree: Tree): Buffer[] {
  const entries: Buffer[] = []
  const first = segments[0]?.start ?? 0
  if (segments[0] !== undefined && !tree.root().equals(segments[0].root)) {
    throw new LineageError('LINEAGE_BROKEN', `the tiles do not make up the tree of ${first} entries`, {
      at: 'tile',
    })
  }
  for (const { start, entries: more } of segments) {
    const at = `state/tail/${start}`
    const overlap = first + entries.length - start
    if (overlap < 0 || overlap > more.length) {
      throw new LineageError('LINEAGE_BROKEN', `entries before or after ${start} are missing`, { at })
    }
    if (!more.slice(0, overlap).every((entry, i) => entry.equals(entries[start - first + i] as Buffer))) {
      throw new LineageError('LINEAGE_BROKEN', `two segments differ from entry ${start} on`, { at })
    }
    for (const entry of more.slice(overlap)) {
      entries.push(entry)
      tree.append(leafHash(entry))
    }
  }
  return entries
}

/** Each head that was promised to someone is a beginning of this tree. */
async function checkHeads(tree: Tree, checkpoint: TreeHead | undefined, state: StateFiles): Promise<void> {
  const heads: [string, TreeHead | undefined][] = [
    ['checkpoint', checkpoint],
    ['state/pending', state.read('pending')],
    ['state/anchor', state.read('anchor')],
    ['state/stop', state.read('stop')],
  ]
  for (const [at, head] of heads) {
    if (head === undefined) continue
    if (head.size > tree.size) {
      throw new LineageError(
        'LINEAGE_ROLLED_BACK',
        `${at} speaks of ${head.size} entries, there are ${tree.size}`,
        {
          at,
        },
      )
    }
    const root = head.size === 0 ? EMPTY_ROOT : await rangeRoot(tree.node, 0, head.size)
    if (!root.equals(head.root)) {
      throw new LineageError('LINEAGE_BROKEN', `${at} speaks of another tree of ${head.size} entries`, { at })
    }
  }
}

/** Whether the mark of a clean stop is that of exactly this tree and counter. */
async function wasStopped(tree: Tree, state: StateFiles): Promise<boolean> {
  const stop = state.read('stop')
  const anchor = state.read('anchor')
  return (
    stop !== undefined &&
    stop.size === tree.size &&
    stop.root.equals(tree.root()) &&
    stop.counter === (anchor?.counter ?? null)
  )
}
