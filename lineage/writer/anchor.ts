import type { TreeHead } from '../checkpoint.ts'
import { LineageError } from '../error.ts'
import type { StateFiles, StateRecord } from './state.ts'

/** A TPM NV index of type counter: it only ever goes up, by one, whatever happens to the disk. */
export interface NvCounter {
  read(): Promise<bigint>
  /** Adds one. After an error it may have moved or not. */
  increment(): Promise<unknown>
}

/** A restored lineage as it was found: what an operator looks at, and accepts or not. */
export interface RolledBack {
  /** Where the TPM's counter stands. */
  readonly counter: bigint
  /** The tree of the files. */
  readonly size: number
  readonly root: Buffer
}

/** A log that took the place of one that could not go on, as it was found. */
export interface NewEpoch extends RolledBack {
  readonly epoch: number
}

/** What only an operator can say yes to. */
export type Found = RolledBack | NewEpoch

/** A log that took the place of another, for which the counter does not vouch yet. */
export class NewEpochError extends LineageError {
  readonly found: NewEpoch

  constructor(found: NewEpoch) {
    super(
      'LINEAGE_NEW_EPOCH',
      `no operator has accepted epoch ${found.epoch} of the lineage: it has ${found.size} entries and no record of the TPM's counter, which stands at ${found.counter}`,
      { at: 'state/anchor' },
    )
    this.found = found
  }
}

/** Files that are whole, and older than the counter: somebody put them back. */
export class RolledBackError extends LineageError {
  readonly found: RolledBack

  constructor(message: string, found: RolledBack) {
    super('LINEAGE_ROLLED_BACK', message, { at: 'state/anchor' })
    this.found = found
  }
}

/**
 * Whether the files are as old as the counter says. A start accepts n, or n+1 with its record: between writing the record and marking
 * it done, the counter may or may not have moved.
 *
 * @param created whether this start made the lineage, so that it has no record yet
 * @param head the tree of the files, and which epoch it is: a later one begins without a record
 * @param accepted what an operator accepts: exactly this counter and this tree
 * @returns whether the counter does not vouch for the files, and an operator does
 * @throws RolledBackError, NewEpochError; LineageError `LINEAGE_ROLLED_BACK` when there is not even a record, which nobody can accept
 */
export async function checkAnchor(
  state: StateFiles,
  counter: NvCounter,
  created: boolean,
  { size, root, epoch }: TreeHead & { readonly epoch: number },
  accepted?: Found,
): Promise<boolean> {
  const value = await counter.read()
  const record = state.read('anchor')
  if (record === undefined || record.counter === null) {
    if (created) return false
    if (epoch > 1) {
      if (accepts(accepted, { counter: value, size, root, epoch })) return true
      throw new NewEpochError({ counter: value, size, root, epoch })
    }
    throw rolledBack(`the counter stands at ${value} and the lineage has no record of it`)
  }
  const moved = value === record.counter
  const aboutTo = !record.done && value === record.counter - 1n
  if (moved || aboutTo) return false
  if (accepts(accepted, { counter: value, size, root })) return true
  throw new RolledBackError(
    `the files were put back: the TPM's counter stands at ${value}, the record of the lineage's ${size} entries at ${record.counter}`,
    { counter: value, size, root },
  )
}

function accepts(accepted: Found | undefined, found: Found): boolean {
  const epochIn = (it: Found) => ('epoch' in it ? it.epoch : null)
  return (
    accepted?.counter === found.counter &&
    accepted.size === found.size &&
    accepted.root.equals(found.root) &&
    epochIn(accepted) === epochIn(found)
  )
}

/** Moves the counter and binds it to a head that is durable. Gives the counter's new value. One caller at a time. */
export async function advanceAnchor(
  state: StateFiles,
  counter: NvCounter,
  head: Pick<StateRecord, 'size' | 'root' | 'published'>,
): Promise<bigint> {
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
