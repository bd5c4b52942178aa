import { parseRecord, parseStatement } from '../../authorization/index.ts'
import { WritError } from '../../encoding/error.ts'
import type { LineageEvent } from '../../lineage/index.ts'
import { printable, styled } from '../output.ts'
import { eventText, short } from './line.ts'

type EventOf<T extends LineageEvent['type']> = Extract<LineageEvent, { type: T }>
type Decision = EventOf<'decision'>

/** One event and its position. */
export interface TreeEntry {
  readonly index: number
  readonly event: LineageEvent
}

/** One line of the tree and what hangs below it. */
export interface TreeNode {
  readonly text: string
  /** Positions of the entries that the line speaks of; empty for a heading. */
  readonly entries: readonly number[]
  readonly children: readonly TreeNode[]
}

/** What a decision's record says that its event does not. */
export interface DecisionSummary {
  /** Program and arguments as they were asked for. */
  readonly command: string
  readonly issuer: string | null
  readonly id: string | null
}

/**
 * Orders a lineage by what led to what: the host and what was put in force, then each execution with its origin, what
 * authorized it, the decision, its START and END and its children; then the denials.
 *
 * @param summaryOf what is known of a decision's record; null when the record is not at hand
 */
export function lineageTree(
  entries: readonly TreeEntry[],
  summaryOf: (decision: Decision) => DecisionSummary | null,
): TreeNode[] {
  const decisions = entries.flatMap(e => (e.event.type === 'decision' ? [{ ...e, event: e.event }] : []))
  const permits = decisions.filter(d => d.event.outcome === 'permit' && d.event.executionId !== null)
  const ofExecution = (id: string) =>
    entries.filter(
      ({ event }) => event.type !== 'decision' && 'executionId' in event && event.executionId === id,
    )
  const parentOf = (id: string) => {
    const start = ofExecution(id).find(e => e.event.type === 'execution-start')?.event
    return start?.type === 'execution-start' ? start.parent : null
  }
  const node = ({ index, event }: { index: number; event: Decision }): TreeNode => {
    const id = event.executionId ?? ''
    const summary = summaryOf(event)
    return {
      text: `execution ${styled('bold', short(id))}${summary === null ? '' : `  ${printable(summary.command)}`}`,
      entries: [],
      children: [
        line(originText(event), []),
        line(authorityText(event, summary), []),
        line(`decision ${eventText(event)}`, [index]),
        ...ofExecution(id).map(e => line(eventText(e.event), [e.index])),
        ...permits.filter(p => parentOf(p.event.executionId ?? '') === id).map(node),
      ],
    }
  }
  const known = new Set(permits.map(p => p.event.executionId))
  const roots = permits.filter(p => !known.has(parentOf(p.event.executionId ?? '')))
  const denials = entries.filter(
    ({ event }) =>
      (event.type === 'decision' && event.outcome === 'deny') || event.type === 'denials-counted',
  )
  return [
    { text: 'host', entries: [], children: hostLines(entries) },
    ...roots.map(node),
    ...(denials.length === 0
      ? []
      : [{ text: 'denied', entries: [], children: denials.map(d => denialLine(d, summaryOf)) }]),
  ]
}

function line(text: string, entries: readonly number[]): TreeNode {
  return { text, entries, children: [] }
}

function originText({ caller }: Decision): string {
  const where = caller.unit ?? caller.cgroup
  return `origin   uid ${caller.uid}, pid ${caller.pid}${where === null ? '' : `, ${printable(where)}`}`
}

function authorityText({ artifact }: Decision, summary: DecisionSummary | null): string {
  const by =
    summary?.issuer == null ? '' : `, ${printable(`${summary.id ?? ''} issued by ${summary.issuer}`)}`
  return `authorized by artifact ${artifact === null ? 'none' : short(artifact)}${by}`
}

function denialLine(
  { index, event }: TreeEntry,
  summaryOf: (d: Decision) => DecisionSummary | null,
): TreeNode {
  const command = event.type === 'decision' ? summaryOf(event)?.command : undefined
  return line(`${eventText(event)}${command === undefined ? '' : `  ${printable(command)}`}`, [index])
}

/** What concerns the host as a whole; appraisals that say the same one after another are one line. */
function hostLines(entries: readonly TreeEntry[]): TreeNode[] {
  const out: TreeNode[] = []
  let run: number[] = []
  let runText = ''
  const flush = () => {
    if (run.length > 0) out.push(line(run.length === 1 ? runText : `${runText}  × ${run.length}`, run))
    run = []
  }
  for (const { index, event } of entries) {
    if (event.type === 'decision' || event.type === 'denials-counted' || 'executionId' in event) continue
    const text = eventText(event)
    if (event.type !== 'appraisal' || text !== runText) flush()
    if (event.type === 'appraisal') {
      run.push(index)
      runText = text
    } else out.push(line(text, [index]))
  }
  flush()
  return out
}

/** The tree as lines with guides. */
export function treeLines(nodes: readonly TreeNode[], prefix = ''): string[] {
  return nodes.flatMap((node, i) => {
    const last = i === nodes.length - 1
    const top = prefix === '' && node.entries.length === 0
    const guide = top ? '' : `${prefix}${last ? '└─ ' : '├─ '}`
    const below = top ? ' ' : `${prefix}${last ? '   ' : '│  '}`
    return [`${styled('dim', guide)}${node.text}${numbers(node.entries)}`, ...treeLines(node.children, below)]
  })
}

function numbers(entries: readonly number[]): string {
  const [first, last] = [entries[0], entries.at(-1)]
  if (first === undefined || last === undefined) return ''
  return styled('dim', first === last ? `  #${first}` : `  #${first}…#${last}`)
}

/**
 * What a decision record says of the request, and its artifact of who issued it.
 *
 * @param bytes the record, controlled by whoever wrote the log
 * @param payload of the artifact; null if it is not at hand
 */
export function summarize(bytes: Buffer, payload: Buffer | null): DecisionSummary | null {
  try {
    const request = parseRecord(bytes).inputs?.request
    if (request === undefined) return null
    const command = [request.program, ...(request.argv?.slice(1) ?? [])].join(' ')
    return { command: command.slice(0, 120), ...issuerOf(payload) }
  } catch (error) {
    if (error instanceof WritError) return null
    throw error
  }
}

/** An artifact that was denied need not be one. */
function issuerOf(payload: Buffer | null): { issuer: string | null; id: string | null } {
  try {
    if (payload === null) return { issuer: null, id: null }
    const { issuer, id } = parseStatement(payload).predicate
    return { issuer, id }
  } catch (error) {
    if (error instanceof WritError) return { issuer: null, id: null }
    throw error
  }
}
