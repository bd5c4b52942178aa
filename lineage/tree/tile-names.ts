import { type Dirent, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { TILE_WIDTH, type TileName, tilePath } from '../c2sp/tile-path.ts'
import { LineageError } from '../error.ts'

const DIGITS = /^[0-9]{3}$/

/** What the tree says about the files of one level. */
interface Level {
  readonly level: TileName['level']
  /** Entries that a full tile of the level stands for, and one hash or entry in it. */
  readonly span: number
  /** Full tiles that have to be there. */
  readonly needed: number
  readonly size: number
}

/**
 * Checks the names of all tiles and bundles, without reading one: none is missing, and none is of entries that the log does not have. A tile
 * is made only of entries that are durable in the tail, so one beyond them says that the tail was cut.
 *
 * @param tiled entries that only tiles hold, a multiple of 256
 * @param size entries of the log
 * @throws LineageError `LINEAGE_BROKEN`, `LINEAGE_ROLLED_BACK`
 */
export function checkTileNames(directory: string, tiled: number, size: number): void {
  const found = new Set(list(directory, 'tile').map(({ name }) => name))
  const levels: Level[] = [levelOf('entries', TILE_WIDTH, tiled, size)]
  for (let level = 0, span = TILE_WIDTH; level === 0 || span <= size * TILE_WIDTH; level++) {
    levels.push(levelOf(level, span, tiled, size))
    span *= TILE_WIDTH
  }
  for (const level of levels) {
    found.delete(String(level.level))
    checkLevel(directory, level)
  }
  const [stray] = found
  if (stray !== undefined) throw notOfTheLog(`tile/${stray}`)
}

function levelOf(level: Level['level'], span: number, tiled: number, size: number): Level {
  return { level, span, size, needed: Math.floor(tiled / span) }
}

function checkLevel(directory: string, level: Level): void {
  const there = new Uint8Array(level.needed)
  visit(directory, `tile/${level.level}`, 0, level, there)
  const missing = there.indexOf(0)
  if (missing < 0) return
  const at = tilePath({ level: level.level, index: missing, width: TILE_WIDTH })
  throw new LineageError('LINEAGE_BROKEN', `${at} is missing`, { at })
}

/** One directory of a level: `base` is the number that the elements above it spell (C2SP tlog-tiles, "Merkle Tree"). */
function visit(directory: string, path: string, base: number, level: Level, there: Uint8Array): void {
  for (const entry of list(directory, path)) {
    const { name } = entry
    // Nearly all names are these; there are tens of thousands.
    if (DIGITS.test(name) && entry.isFile()) {
      const index = base * 1000 + Number(name)
      if (index < level.needed) {
        there[index] = 1
        continue
      }
    }
    const at = `${path}/${name}`
    const digits = /^(x?)([0-9]{3})(\.p)?$/.exec(name)
    const index = base * 1000 + Number(digits?.[2])
    const [, deeper, , partial] = digits ?? []
    const wanted = deeper || partial ? entry.isDirectory() : entry.isFile()
    // No spelling begins with zeros, and none has both an x and a width.
    if (!digits || !wanted || (deeper && (partial || index === 0))) throw notOfTheLog(at)
    if (deeper) visit(directory, at, index, level, there)
    else if (partial) visitPartials(directory, at, index, level)
    else if ((index + 1) * level.span > level.size) throw beyond(at, level.size)
  }
}

function visitPartials(directory: string, path: string, index: number, { span, size }: Level): void {
  for (const entry of list(directory, path)) {
    const at = `${path}/${entry.name}`
    if (!/^[1-9][0-9]{0,2}$/.test(entry.name) || Number(entry.name) >= TILE_WIDTH || !entry.isFile())
      throw notOfTheLog(at)
    if (index * span + (Number(entry.name) * span) / TILE_WIDTH > size) throw beyond(at, size)
  }
}

function list(directory: string, path: string): Dirent[] {
  try {
    return readdirSync(join(directory, path), { withFileTypes: true })
  } catch (error) {
    if (error instanceof Error && 'code' in error) {
      if (error.code === 'ENOENT') return []
      if (error.code === 'ENOTDIR') throw notOfTheLog(path)
    }
    throw error
  }
}

function notOfTheLog(at: string): LineageError {
  return new LineageError('LINEAGE_BROKEN', `${at} is nothing that the log has there`, { at })
}

function beyond(at: string, size: number): LineageError {
  return new LineageError('LINEAGE_ROLLED_BACK', `${at} is of entries beyond the ${size} that there are`, {
    at,
  })
}
