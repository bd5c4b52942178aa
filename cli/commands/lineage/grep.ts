import type { Command } from 'commander'
import { addCommand, addNote, setAction } from '../../command.ts'
import { CliError, EXIT } from '../../error.ts'
import { EVENT } from '../../form.ts'
import { entryLine, type Layout, layoutFor } from '../../lineage/columns.ts'
import { type Field, fieldsOf, isNamed } from '../../lineage/fields.ts'
import type { Picked } from '../../lineage/filter.ts'
import { openSelection } from '../../lineage/open-selection.ts'
import { commandOf, NO_FACTS, requestFacts } from '../../lineage/request-facts.ts'
import {
  addSelectionOptions,
  addSourceOptions,
  checkFollow,
  type SelectionOptions,
  type SourceOptions,
  withSource,
} from '../../lineage/selection.ts'
import type { LogSource } from '../../lineage/source.ts'
import { type Output, printable, styled } from '../../output.ts'
import { readerGone } from '../../streams.ts'
import { cut } from '../../width.ts'

interface Options extends SourceOptions, SelectionOptions {
  field: string[]
  ignoreCase?: boolean
  fixed?: boolean
  total?: boolean
  follow?: boolean
}

export function addLineageGrep(parent: Command): void {
  const command = addCommand(
    parent,
    'grep <pattern>',
    'Find entries by what is in them: in any field of the entry, of the decision’s record, or of the artifact.',
    `writ lineage grep POLICY_DENIED
     writ lineage grep --field record.inputs.request.program '^/opt/'
     writ lineage grep --since today --caller alice --ignore-case secret
     writ lineage grep --directory bundle/ --total 'ssh.*\\.service'`,
    [
      {
        as: 'lines',
        fields: {
          index: 'number',
          event: EVENT,
          matches: [
            { field: 'text: its path, such as caller.unit, record.inputs.request.program', value: 'text' },
          ],
        },
      },
      { when: 'with --total', fields: { total: 'number: entries that match' } },
    ],
  )
    .option(
      '--field <name>',
      'look in this field alone: its path, or the end of it (repeatable)',
      (name: string, all: string[]) => [...all, name],
      [],
    )
    .option('--ignore-case', 'take capital and small letters for the same')
    .option('--fixed', 'the pattern is plain text, not a regular expression')
    .option('--total', 'print how many entries match, and nothing else')
    .option('--follow', 'go on with what is appended, as soon as it is durable, until interrupted')
  addSelectionOptions(command)
  addSourceOptions(command)
  addNote(
    command,
    'The pattern is a regular expression as JavaScript has it, and is held against the value of each field by itself. Fields of the record begin with\n' +
      'record., those of the artifact with artifact. Exit status: 0 if an entry matches, 1 if none does, 2 for wrong use.',
  )
  setAction<Options>(command, ({ args, options, output }) =>
    withSource(options, output, async source => {
      const pattern = readPattern(args[0] ?? '', options)
      if (options.follow === true && options.total === true)
        throw new CliError('USAGE', '--total is known at an end, and --follow has none')
      checkFollow(options)
      const { range, filter, isOver } = await openSelection(source, options)
      const layout = layoutFor(range.size)
      let count = 0
      const look = async (entry: Picked | null) => {
        const found = entry && (await search(source, entry, pattern, options.field))
        if (found === null || found.matches.length === 0) return true
        count++
        return options.total === true || print(found, pattern, layout, output)
      }
      let goesOn = true
      for await (const raw of source.read(range.from, range.to, filter.types)) {
        goesOn = await look(await filter.pick(raw))
        if (!goesOn || isOver()) break
      }
      if (options.follow === true && goesOn && !isOver()) {
        for await (const raw of source.follow(range.size, filter.types, readerGone)) {
          if (raw === null) output.note('writ: the daemon is gone; waiting for it')
          else if (!(await look(await filter.pick(raw))) || isOver()) break
        }
      }
      if (options.total === true) output.result({ total: count }, () => [String(count)])
      return count > 0 ? EXIT.done : EXIT.refused
    }),
  )
}

function readPattern(text: string, { ignoreCase, fixed }: Options): RegExp {
  if (text === '') throw new CliError('USAGE', 'an empty pattern matches everything: use `writ lineage tail`')
  try {
    const source = fixed === true ? text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&') : text
    return new RegExp(source, ignoreCase === true ? 'giu' : 'gu')
  } catch (cause) {
    throw new CliError(
      'USAGE',
      `the pattern is no regular expression: ${cause instanceof Error ? cause.message : ''}`,
      {
        cause,
        next: 'Add --fixed if it is meant as plain text.',
      },
    )
  }
}

interface Found extends Picked {
  readonly command: string | null
  readonly matches: readonly Field[]
}

async function search(
  source: LogSource,
  entry: Picked,
  pattern: RegExp,
  names: readonly string[],
): Promise<Found> {
  const { event } = entry
  const decided = event.type === 'decision' || event.type === 'renewal'
  const facts = decided ? await requestFacts(event, source.blob) : NO_FACTS
  // What is carried is searched for what it says, not for its base64.
  const { inline: _, ...fields } = { inline: null, ...event }
  const matches: Field[] = []
  for (const part of [
    fieldsOf(fields),
    fieldsOf(facts.record, 'record'),
    fieldsOf(facts.statement, 'artifact'),
  ]) {
    for (const field of part) {
      pattern.lastIndex = 0
      if (isNamed(field, names) && pattern.test(field.value)) matches.push(field)
    }
  }
  return { ...entry, command: commandOf(facts), matches }
}

/** Fields of one entry that are shown on a terminal. */
const SHOWN = 5

function print(
  { index, event, command, matches }: Found,
  pattern: RegExp,
  layout: Layout,
  output: Output,
): Promise<boolean> {
  const shown = matches.map(({ path, value }) => ({ field: path, value }))
  return output.item({ index, event, matches: shown }, () => {
    const some = layout.columns === null ? matches : matches.slice(0, SHOWN)
    const width = layout.columns === null ? Number.POSITIVE_INFINITY : layout.columns - layout.digits - 3
    return [
      entryLine(index, event, layout, command),
      ...some.map(
        ({ path, value }) => `${' '.repeat(layout.digits + 3)}${highlighted(path, value, pattern, width)}`,
      ),
      ...(some.length < matches.length
        ? [
            `${' '.repeat(layout.digits + 3)}${styled('dim', `and ${matches.length - some.length} more fields`)}`,
          ]
        : []),
    ]
  })
}

/** A field with what matched set off. What is cut off is before the styles, so that none is left open. */
function highlighted(path: string, value: string, pattern: RegExp, width: number): string {
  const text = Number.isFinite(width) ? cut(printable(value), width - path.length - 2) : printable(value)
  pattern.lastIndex = 0
  const marked = text.replace(pattern, found => (found === '' ? '' : styled(['red', 'bold'], found)))
  return `${styled('dim', `${path}:`)} ${marked}`
}
