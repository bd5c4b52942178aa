import type { Command } from 'commander'
import { blobsOf, leafHash } from '../../../lineage/index.ts'
import { addCommand, setAction } from '../../command.ts'
import { CliError } from '../../error.ts'
import { EVENT } from '../../form.ts'
import { entryLine, layoutFor } from '../../lineage/columns.ts'
import { droppedIn } from '../../lineage/dropped.ts'
import { Family, findExecution, isExecutionId } from '../../lineage/execution.ts'
import { type Picked, readEntry } from '../../lineage/filter.ts'
import { entryAt, type FollowedLink, followLinks, linksOf } from '../../lineage/links.ts'
import { commandOf, type RequestFacts, requestFacts } from '../../lineage/request-facts.ts'
import { addSourceOptions, type SourceOptions, withSource } from '../../lineage/selection.ts'
import type { LogSource } from '../../lineage/source.ts'
import { jsonText, type Output, printable, styled } from '../../output.ts'
import { writeTo } from '../../streams.ts'

interface Options extends SourceOptions {
  blob?: string
}

const LINKS = [
  {
    as: 'text: policy, trust roots, appraisal, parent, decision or renewal',
    index: 'number',
    'event|null': EVENT,
  },
] as const

export function addLineageShow(parent: Command): void {
  const command = addCommand(
    parent,
    'show <index|execution>',
    'Show one entry with all its fields and what it rests on, all entries of an execution, or the bytes of something that an entry names.',
    `writ lineage show 12
     writ lineage show 5d0c1f2a
     writ lineage show 12 --blob 3f7a…9c > record.json`,
    [
      {
        when: 'of an entry',
        fields: {
          index: 'number',
          leafHash: 'hex',
          event: EVENT,
          blobs: ['digest: what the event names'],
          links: LINKS,
        },
      },
      {
        when: 'of an execution',
        fields: { executionId: 'text', entries: [{ index: 'number', event: EVENT }], links: LINKS },
      },
    ],
  ).option('--blob <digest>', 'write the bytes of this blob to standard output')
  addSourceOptions(command)
  setAction<Options>(command, ({ args, options, output }) =>
    withSource(options, output, async source => {
      const [text = ''] = args
      if (/^[0-9]{1,15}$/.test(text)) await showEntry(source, Number(text), options.blob, output)
      else if (options.blob !== undefined)
        throw new CliError('USAGE', '--blob goes with the position of an entry')
      else if (isExecutionId(text)) await showExecution(source, text, output)
      else {
        throw new CliError(
          'USAGE',
          `name an entry by its position, or an execution by its id or at least 4 digits of it, not ${JSON.stringify(text)}`,
        )
      }
      return undefined
    }),
  )
}

async function showEntry(
  source: LogSource,
  index: number,
  blob: string | undefined,
  output: Output,
): Promise<void> {
  const entry = await entryAt(source, index)
  if (entry === null)
    throw new CliError('UNKNOWN_ID', `there is no entry ${index}, or it is not yours to see`)
  const { event } = entry
  const blobs = [...blobsOf(event), ...('inline' in event ? Object.keys(event.inline) : [])]
  if (blob !== undefined) {
    await writeTo(process.stdout, await blobOf(source, entry, blobs, blob))
    return
  }
  const links = await followLinks(source, linksOf(index, event))
  const command = await commandFor(source, entry)
  const hash = leafHash(entry.bytes)
  output.result({ index, leafHash: hash, event, blobs, links }, () => [
    lineOf(entry, index, command),
    ...jsonText(event, 2).split('\n').map(printable),
    `leaf hash  ${hash.toString('hex')}`,
    ...linkLines(links),
  ])
}

async function blobOf(
  source: LogSource,
  { index, event }: Picked,
  blobs: readonly string[],
  digest: string,
): Promise<Buffer> {
  if (!blobs.includes(digest)) {
    throw new CliError('USAGE', `entry ${index} names no blob ${digest}`, {
      next: `It names: ${blobs.join(' ') || 'none'}`,
    })
  }
  const bytes = await source.blob(event, digest)
  if (bytes !== null) return bytes
  const entry = await droppedIn(source, index, digest)
  if (entry !== null) {
    throw new CliError('REQUEST_FAILED', `${digest} is not kept any longer: dropped in entry ${entry}`, {
      next: 'An older export of this log may have it.',
    })
  }
  throw new CliError('REQUEST_FAILED', `the blob ${digest} is not there, or not yours to see`)
}

async function showExecution(source: LogSource, text: string, output: Output): Promise<void> {
  const { executionId, decision } = await findExecution(source, text)
  const { size } = await source.range({ sinceMs: null, untilMs: null })
  const family = new Family(executionId, false)
  const entries: Picked[] = []
  for await (const raw of source.read(decision, size)) {
    const entry = readEntry(raw)
    if (family.take(entry.event)) entries.push(entry)
    if (family.isOver) break
  }
  const [permit] = entries
  const links =
    permit === undefined ? [] : linksOf(permit.index, permit.event).filter(({ as }) => as !== 'decision')
  const followed = await followLinks(source, links)
  const command = permit === undefined ? null : await commandFor(source, permit)
  const shown = entries.map(({ index, event }) => ({ index, event }))
  output.result({ executionId, entries: shown, links: followed }, () => [
    `execution ${styled('bold', executionId)}`,
    ...entries.map((entry, i) => lineOf(entry, size, i === 0 ? command : null)),
    ...linkLines(followed),
  ])
}

async function commandFor(source: LogSource, { event }: Picked): Promise<string | null> {
  if (event.type !== 'decision' && event.type !== 'renewal') return null
  const facts: RequestFacts = await requestFacts(event, source.blob)
  return commandOf(facts)
}

function lineOf({ index, event }: Picked, size: number, command: string | null): string {
  return entryLine(index, event, layoutFor(Math.max(size, index + 1)), command)
}

function linkLines(links: readonly FollowedLink[]): string[] {
  if (links.length === 0) return []
  const width = Math.max(...links.map(({ as }) => as.length))
  const layout = layoutFor(Math.max(...links.map(({ index }) => index + 1)))
  return [
    '',
    styled('bold', 'rests on'),
    ...links.map(({ as, index, event }) => {
      const shown =
        event === null ? `#${index}  not yours to see` : entryLine(index, event, { ...layout, columns: null })
      return `${as.padEnd(width)}  ${shown}`
    }),
  ]
}
