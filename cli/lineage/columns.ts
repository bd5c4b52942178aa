import type { LineageEvent } from '../../lineage/index.ts'
import { styled } from '../output.ts'
import { cut, displayWidth, padded } from '../width.ts'
import { describe, short } from './line.ts'

/** Narrower terminals get shorter times and ids, so that there is room for the text. */
const WIDE_TERMINAL = 120
/** The longest word that {@link describe} has, and the widest uid. */
const WHAT = 10
const WHO = 9

/** How lines are laid out. */
export interface Layout {
  /** Digits of the highest index. */
  readonly digits: number
  /** Columns of the terminal; null where there is none, and nothing is cut. */
  readonly columns: number | null
}

/** The layout for entries of a log of this size, on standard output as it is now. */
export function layoutFor(size: number): Layout {
  const { isTTY, columns } = process.stdout
  return {
    digits: Math.max(4, String(Math.max(0, size - 1)).length),
    columns: isTTY && columns > 0 ? columns : null,
  }
}

/**
 * An entry as one line: index, time, what happened, who asked, which execution, and the rest, in columns that stay where they are. On a
 * terminal it is cut to its width; elsewhere nothing is.
 *
 * @param command what was asked for, where that is known
 */
export function entryLine(
  index: number,
  event: LineageEvent,
  layout: Layout,
  command: string | null = null,
): string {
  const { what, tone, who, execution, text } = describe(event, command)
  const { columns, digits } = layout
  const narrow = columns !== null && columns < WIDE_TERMINAL
  const time = narrow ? event.time.slice(5, 19).replace('T', ' ') : event.time
  const id = narrow ? execution.slice(0, 8) : short(execution)
  const place = padded(`#${index}`, digits + 1)
  const rest = `${padded(who, WHO)}  ${padded(id, narrow ? 8 : 12)}  ${text}`.trimEnd()
  const before = displayWidth(place) + 2 + time.length + 2 + WHAT + 2
  const shown = columns === null ? rest : cut(rest, columns - before)
  return `${styled('dim', `${place}  ${time}`)}  ${styled(tone, what)}${' '.repeat(Math.max(0, WHAT - what.length))}  ${shown}`.trimEnd()
}
