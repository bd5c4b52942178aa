import { LineageError } from '../error.ts'
import { parseEvent } from '../events/index.ts'

/** Behind the name of a log's first epoch. */
const SUFFIX = /^(.+)\/epoch-([1-9][0-9]{0,8})$/

/**
 * The name of a host's log in some epoch. Each epoch has one of its own: two trees of one size under one name would be a fork.
 *
 * @param base the name of the first epoch, which it has without a suffix
 */
export function epochOrigin(base: string, epoch: number): string {
  return epoch === 1 ? base : `${base}/epoch-${epoch}`
}

/** The inverse. A suffix `/epoch-1` is part of the name: nobody writes it. */
export function parseEpochOrigin(origin: string): { readonly base: string; readonly epoch: number } {
  const [, base, number] = SUFFIX.exec(origin) ?? []
  const epoch = Number(number ?? 1)
  return base === undefined || epoch === 1 ? { base: origin, epoch: 1 } : { base, epoch }
}

/**
 * Which epoch a log is, as its first entry says.
 *
 * @param first the first entry's bytes; undefined for a log without entries
 */
export function epochOf(first: Uint8Array | undefined): number {
  if (first === undefined) return 1
  try {
    const event = parseEvent(first)
    return event.type === 'epoch' ? event.epoch : 1
  } catch (error) {
    // Whoever reads the entries says so.
    if (error instanceof LineageError) return 1
    throw error
  }
}
