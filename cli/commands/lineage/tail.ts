import type { Command } from 'commander'
import { addCommand, addNote, setAction } from '../../command.ts'
import { EVENT } from '../../form.ts'
import { entryLine, type Layout, layoutFor } from '../../lineage/columns.ts'
import { entryIndex } from '../../lineage/entries.ts'
import type { Picked } from '../../lineage/filter.ts'
import { newest } from '../../lineage/newest.ts'
import { type Opened, openSelection } from '../../lineage/open-selection.ts'
import { carriedBlob, commandOf, requestFacts } from '../../lineage/request-facts.ts'
import {
  addSelectionOptions,
  addSourceOptions,
  checkFollow,
  type SelectionOptions,
  type SourceOptions,
  withSource,
} from '../../lineage/selection.ts'
import type { Output } from '../../output.ts'
import { readerGone } from '../../streams.ts'

interface Options extends SourceOptions, SelectionOptions {
  count?: number
  follow?: boolean
}

/** Entries that are shown unless it is said where to begin. */
const DEFAULT_COUNT = 20

export function addLineageTail(parent: Command): void {
  const command = addCommand(
    parent,
    'tail',
    'Show entries, one in a line: the newest, or those that are picked.',
    `writ lineage tail --follow
     writ lineage tail --since 2h --outcome deny
     writ lineage tail --program python3 --caller alice --since today
     writ lineage tail --execution 5d0c1f2a --descendants
     writ lineage tail --directory bundle/ --from 0 --json`,
    [{ as: 'lines', fields: { index: 'number', event: EVENT } }],
  )
  addSelectionOptions(command)
    .option(
      '--count <n>',
      `how many of the newest (default: ${DEFAULT_COUNT}, or all where --from, --since or --execution says where to begin)`,
      entryIndex,
    )
    .option(
      '--follow',
      'go on with what is appended, as soon as it is durable, until interrupted; waits for a daemon that is started anew',
    )
  addSourceOptions(command)
  addNote(
    command,
    'Entries stand in the order in which they became durable. --since and --until find the positions of these times; what stands between is shown\n' +
      'whatever its own time, so that a clock that was set hides nothing. Whoever is not an auditor sees the entries of its own executions.\n' +
      'Nothing is verified here: see `writ verify` and `writ lineage verify`.',
  )
  setAction<Options>(command, async ({ options, output }) => {
    checkFollow(options)
    return withSource(options, output, async source => {
      const opened = await openSelection(source, options)
      const { range } = opened
      const layout = layoutFor(range.size)
      const open = [options.from, options.since, options.execution].every(option => option === undefined)
      const count = options.count ?? (open ? DEFAULT_COUNT : null)
      if (count === null) {
        if (!(await all(opened, layout, output))) return undefined
      } else {
        for (const entry of await newest(opened, count))
          if (!(await print(entry, layout, output))) return undefined
      }
      if (options.follow === true && !opened.isOver()) await follow(opened, layout, output)
      return undefined
    })
  })
}

/** @returns false when nobody reads any longer */
async function all(
  { source, range, filter, isOver }: Opened,
  layout: Layout,
  output: Output,
): Promise<boolean> {
  for await (const raw of source.read(range.from, range.to, filter.types)) {
    const entry = await filter.pick(raw)
    if (entry !== null && !(await print(entry, layout, output))) return false
    if (isOver()) return true
  }
  return true
}

async function follow(
  { source, range, filter, isOver }: Opened,
  layout: Layout,
  output: Output,
): Promise<void> {
  for await (const raw of source.follow(range.size, filter.types, readerGone)) {
    if (raw === null) {
      output.note('writ: the daemon is gone; waiting for it')
      continue
    }
    const entry = await filter.pick(raw)
    if (entry !== null && !(await print(entry, layout, output))) return
    if (isOver()) return
  }
}

async function print({ index, event }: Picked, layout: Layout, output: Output): Promise<boolean> {
  const decided = event.type === 'decision' || event.type === 'renewal'
  const command = decided && !output.json ? commandOf(await requestFacts(event, carriedBlob)) : null
  return output.item({ index, event }, () => [entryLine(index, event, layout, command)])
}
