import { type LineageEvent, parseEvent } from '../../lineage/index.ts'
import { CliError } from '../error.ts'
import type { LogSource, RawEntry } from './source.ts'

/** Entries that are read at once when a log is searched from its end. */
const STEP = 4096

/** Fewest digits that name an execution; below, a log soon has several. */
const MIN_DIGITS = 4

/** An execution of the log, and where its permit is. */
export interface FoundExecution {
  readonly executionId: string
  readonly decision: number
}

/** Whether a text can be an execution's id, or the beginning of one. */
export function isExecutionId(text: string): boolean {
  return /^[0-9a-f]{4,32}$/.test(text)
}

/** The entries from the end to the beginning, newest first, in pieces. */
export async function* backwards(
  source: LogSource,
  from: number,
  to: number,
  types: ReadonlySet<string> = new Set(),
): AsyncGenerator<RawEntry[]> {
  for (let end = to; end > from; end -= STEP) {
    const entries: RawEntry[] = []
    for await (const entry of source.read(Math.max(from, end - STEP), end, types)) entries.push(entry)
    yield entries.reverse()
  }
}

/** The execution that an entry is about; null if it is about none. A denial is about the one that there never was. */
export function executionOf(event: LineageEvent): string | null {
  return 'executionId' in event ? event.executionId : null
}

/** The position of the permit of the execution that an entry is about; null if the entry does not say. */
export function permitOf(index: number, event: LineageEvent): number | null {
  if (event.type === 'decision') return event.executionId === null ? null : index
  return 'decision' in event ? event.decision : null
}

/**
 * Finds an execution by its id or the beginning of it. A whole id is looked for from the end; of a beginning the whole log is searched for a second
 * one that has it too.
 *
 * @throws CliError `USAGE`, `UNKNOWN_ID`
 */
export async function findExecution(source: LogSource, text: string): Promise<FoundExecution> {
  if (!isExecutionId(text)) {
    throw new CliError(
      'USAGE',
      `an execution is named by its id, or at least its first ${MIN_DIGITS} hexadecimal digits, not ${JSON.stringify(text)}`,
      { next: '`writ executions --all` and `writ lineage tree` show them.' },
    )
  }
  const whole = text.length === 32
  if (whole) {
    const decision = await source.decisionOf(text)
    if (decision !== null) return { executionId: text, decision }
  }
  const { size } = await source.range({ sinceMs: null, untilMs: null })
  const found = new Map<string, number>()
  const needle = Buffer.from(`"executionId":"${text}`)
  search: for await (const entries of backwards(source, 0, size)) {
    for (const { index, bytes } of entries) {
      // Canonical JSON has no blanks, and no text within it can look like a key: what is not asked for is not read.
      if (!bytes.includes(needle)) continue
      const event = parseEvent(bytes)
      const [id, decision] = [executionOf(event), permitOf(index, event)]
      if (id === null || decision === null) continue
      found.set(id, decision)
      if (whole || found.size > 8) break search
    }
  }
  const [first, ...more] = found
  if (first === undefined) {
    const own = source.where === 'daemon' ? ' that you may see' : ''
    throw new CliError('UNKNOWN_ID', `the log has no execution ${text}${own}`)
  }
  if (more.length > 0) {
    throw new CliError('USAGE', `several executions have an id that begins with ${text}`, {
      lines: [...found.keys()].slice(0, 8),
      next: 'Give more digits.',
    })
  }
  const [executionId, decision] = first
  return { executionId, decision }
}

/** An execution and, if they are asked for, all that it led to, as the entries tell of them in their order. */
export class Family {
  readonly #descendants: boolean
  /** Those that belong to it, and whether they have ended. */
  readonly #members: Map<string, boolean>
  #open = 1

  constructor(executionId: string, descendants: boolean) {
    this.#descendants = descendants
    this.#members = new Map([[executionId, false]])
  }

  /** Takes the next entry. @returns whether it is about a member: denials of what one asked for are, too, with descendants */
  take(event: LineageEvent): boolean {
    if (event.type === 'decision' && this.#descendants && this.#members.has(event.caller.parent ?? '')) {
      const { executionId, outcome, use } = event
      // What consumes nothing was only asked for, and never runs.
      if (executionId !== null && outcome === 'permit' && use !== null && !this.#members.has(executionId)) {
        this.#members.set(executionId, false)
        this.#open++
      }
      return true
    }
    const id = executionOf(event)
    if (id === null || !this.#members.has(id)) return false
    if (event.type === 'execution-end' && this.#members.get(id) === false) {
      this.#members.set(id, true)
      this.#open--
    }
    return true
  }

  /** Whether all of it has ended: no entry after the last one is about it. */
  get isOver(): boolean {
    return this.#open === 0
  }
}
