import { LineageError } from '../error.ts'

/** Hashes in a full tile and entries in a full bundle (C2SP tlog-tiles, "Merkle Tree"). */
export const TILE_WIDTH = 256

/** A hash tile (level 0 holds leaf hashes) or an entry bundle. */
export interface TileName {
  readonly level: number | 'entries'
  readonly index: number
  /** 1 to 255 for a partial tile, 256 for a full one. */
  readonly width: number
}

/** The path of a tile below the log's prefix: `tile/0/x001/x234/067`, `tile/entries/000.p/7`. */
export function tilePath({ level, index, width }: TileName): string {
  let rest = index
  let path = String(rest % 1000).padStart(3, '0')
  while (rest >= 1000) {
    rest = Math.floor(rest / 1000)
    path = `x${String(rest % 1000).padStart(3, '0')}/${path}`
  }
  return `tile/${level}/${path}${width === TILE_WIDTH ? '' : `.p/${width}`}`
}

const PATH = /^tile\/(entries|0|[1-9][0-9]?)\/((?:x[0-9]{3}\/){0,5}[0-9]{3})(?:\.p\/([1-9][0-9]{0,2}))?$/

/**
 * Reads a tile's path back. Only the one spelling that {@link tilePath} makes is taken.
 *
 * @throws LineageError `PATH_MALFORMED`
 */
export function parseTilePath(path: string): TileName {
  const match = PATH.exec(path)
  const [, level = '', digits = '', width] = match ?? []
  const name: TileName = {
    level: level === 'entries' ? 'entries' : Number(level),
    index: Number(digits.replaceAll(/[x/]/g, '')),
    width: width === undefined ? TILE_WIDTH : Number(width),
  }
  // Levels go to 63 and widths to 255; the round trip refuses leading zero elements (x000/…) and indexes beyond 2^53.
  if (
    !match ||
    name.level === 64 ||
    (typeof name.level === 'number' && name.level > 63) ||
    tilePath(name) !== path
  ) {
    throw new LineageError('PATH_MALFORMED', 'not the path of a tile', { at: path.slice(0, 100) })
  }
  if (width !== undefined && name.width >= TILE_WIDTH) {
    throw new LineageError('PATH_MALFORMED', 'a partial tile of 256 or more', { at: path })
  }
  return name
}

/** Every tile and bundle that a tree of `size` entries has (C2SP tlog-tiles, "Partial Tiles"). */
export function* tilesOf(size: number): Generator<TileName> {
  for (const level of ['entries', 0] as const) yield* tilesOfLevel(level, size)
  for (let level = 1, count = Math.floor(size / TILE_WIDTH); count > 0; level++) {
    yield* tilesOfLevel(level, count)
    count = Math.floor(count / TILE_WIDTH)
  }
}

/** Of these the partial ones, of which each level has at most one. */
export function* partialTilesOf(size: number): Generator<TileName> {
  let count = size
  for (let level = 0; count > 0; level++) {
    const index = Math.floor(count / TILE_WIDTH)
    const width = count % TILE_WIDTH
    if (width > 0 && level === 0) yield { level: 'entries', index, width }
    if (width > 0) yield { level, index, width }
    count = index
  }
}

function* tilesOfLevel(level: number | 'entries', count: number): Generator<TileName> {
  const full = Math.floor(count / TILE_WIDTH)
  for (let index = 0; index < full; index++) yield { level, index, width: TILE_WIDTH }
  if (count % TILE_WIDTH > 0) yield { level, index: full, width: count % TILE_WIDTH }
}
