import { WritError } from '../../encoding/error.ts'
import type { LineageEvent } from '../../lineage/index.ts'
import { wasDropped } from './dropped.ts'
import type { PropertyResult } from './property.ts'

/** One entry of the log with its position. */
export interface LogEntry {
  readonly index: number
  readonly event: LineageEvent
}

export type EventOf<T extends LineageEvent['type']> = Extract<LineageEvent, { type: T }>

/** What is wrong with one thing that was verified; becomes a FAILED property. */
export class StepFailure extends WritError<'STEP_FAILED'> {
  constructor(message: string, file?: string, cause?: unknown) {
    super('STEP_FAILED', message, { at: file, cause })
  }
}

/** A property that holds; the text says how much was looked at. */
export interface Holds {
  readonly detail: string
}
/** A property that could not be looked at, and why. */
export interface NotLookedAt {
  readonly notChecked: string
  /** Whether that is because evidence was dropped. */
  readonly dropped?: boolean
}

/**
 * Runs one step. Whatever it throws is a failed property: evidence that cannot be understood proves nothing. What was dropped is not
 * looked at, which is no failure.
 *
 * @param droppedAsked whether what could not be looked at for want of dropped evidence was asked for
 */
export async function property(
  name: string,
  step: () => Promise<Holds | NotLookedAt> | Holds | NotLookedAt,
  asked = true,
  droppedAsked = true,
): Promise<PropertyResult> {
  try {
    const found = await step()
    if ('detail' in found) return { property: name, status: 'VERIFIED', detail: found.detail, asked }
    const isAsked = asked && (found.dropped !== true || droppedAsked)
    return { property: name, status: 'NOT CHECKED', detail: found.notChecked, asked: isAsked }
  } catch (error) {
    if (wasDropped(error)) {
      const why = error instanceof Error ? error.message : String(error)
      const isAsked = asked && droppedAsked
      return { property: name, status: 'NOT CHECKED', detail: why, asked: isAsked }
    }
    const file = error instanceof StepFailure && error.at !== undefined ? { file: error.at } : {}
    const detail = error instanceof Error ? error.message : String(error)
    return { property: name, status: 'FAILED', detail, asked, ...file }
  }
}

/** Does something for an entry and says which entry it was when that fails. */
export async function atEntry<T>(index: number, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    throw new StepFailure(
      `entry ${index}: ${message}`,
      error instanceof StepFailure ? error.at : undefined,
      error,
    )
  }
}
