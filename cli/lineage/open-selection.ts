import { CliError } from '../error.ts'
import { Family, findExecution } from './execution.ts'
import { Filter } from './filter.ts'
import { type Range, readCriteria, readRange, type SelectionOptions } from './selection.ts'
import type { LogSource } from './source.ts'

/** A part of a log, and what picks entries in it. */
export interface Opened {
  readonly source: LogSource
  /** From the permit on, if an execution is asked for. */
  readonly range: Range
  /** Has to see the entries of the range in their order. */
  readonly filter: Filter
  /** Whether no entry to come can be picked: the execution that was asked for has ended, and all that it led to. */
  readonly isOver: () => boolean
}

/** Finds the range, and the execution, that the options name. @throws CliError, CallError */
export async function openSelection(source: LogSource, options: SelectionOptions): Promise<Opened> {
  const criteria = readCriteria(options)
  if (options.execution === undefined) {
    const range = await readRange(source, options)
    return { source, range, filter: new Filter(source, criteria, null), isOver: () => false }
  }
  if (options.from !== undefined || options.since !== undefined)
    throw new CliError('USAGE', 'an execution begins at its permit: leave out --from and --since')
  const { executionId, decision } = await findExecution(source, options.execution)
  const range = await readRange(source, { ...options, from: decision })
  const family = new Family(executionId, options.descendants === true)
  return { source, range, filter: new Filter(source, criteria, family), isOver: () => family.isOver }
}
