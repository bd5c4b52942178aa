import type { TreeHead } from './checkpoint.ts'
import { LineageError } from './error.ts'
import type { StateFiles, StateRecord } from './state.ts'

/** A TPM NV index of type counter: it only ever goes up, by one, whatever happens to the disk. */
export interface NvCounter {
  read(): Promise<bigint>
  /** Adds one. After an error it may have moved or not. */
  increment(): Promise<unknown>
}

/**
 * Whether the files are as old as the counter says. A start accepts n, or n+1 with its record: between writing the record and marking
 * it done, the counter may or may not have moved.
 *
 * @param created whether this start made the lineage, so that it has no record yet
 * @throws LineageError `LINEAGE_ROLLED_BACK`
 */
export async function checkAnchor(state: StateFiles, counter: NvCounter, created: boolean): Promise<void> {
  const value = await counter.read()
  const record = state.read('anchor')
  if (record === undefined || record.counter === null) {
    if (created) return
    throw rolledBack(`the counter stands at ${value} and the lineage has no record of it`)
  }
  const moved = value === record.counter
  const aboutTo = !record.done && value === record.counter - 1n
  if (!moved && !aboutTo)
    throw rolledBack(`the counter stands at ${value}, the lineage's record at ${record.counter}`)
}

/** Moves the counter and binds it to a head that is durable. Gives the counter's new value. One caller at a time. */
export async function advanceAnchor(state: StateFiles, counter: NvCounter, head: TreeHead): Promise<bigint> {
  const before = await counter.read()
  const record: StateRecord = { ...head, counter: before + 1n, done: false }
  await state.write('anchor', record)
  await counter.increment()
  const after = await counter.read()
  if (after !== before + 1n)
    throw rolledBack(`the counter went from ${before} to ${after}: someone else moves it`)
  await state.write('anchor', { ...record, done: true })
  return after
}

function rolledBack(what: string): LineageError {
  return new LineageError('LINEAGE_ROLLED_BACK', what, { at: 'state/anchor' })
}
