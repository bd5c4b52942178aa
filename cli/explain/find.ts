import type { LineageEvent } from '../../lineage/index.ts'
import { CliError } from '../error.ts'
import type { EventOf } from '../verify/steps.ts'
import type { RequestSource } from './source.ts'

/** An entry of one type. */
export interface EntryOf<T extends LineageEvent['type']> {
  readonly index: number
  readonly event: EventOf<T>
}

/** What changes what may run. */
export type Change = EntryOf<'trust-transition'> | EntryOf<'appraisal'> | EntryOf<'revocation'>

/** Everything of one request that the log has, in the log's order. */
export interface FoundRequest {
  readonly decision: EntryOf<'decision'>
  readonly start: EntryOf<'execution-start'> | null
  /** Freezes, decisions whether it may go on, thaws, and kills. */
  readonly orders: readonly EntryOf<Order>[]
  readonly end: EntryOf<'execution-end'> | null
  /** Appraisals only as far as they failed. From the decision to a little behind the end: a gate that closes waits for no entry, so its entries may come after it. */
  readonly changes: readonly Change[]
}

type Order = 'freeze' | 'renewal' | 'thaw' | 'hand-over' | 'adoption' | 'kill-sent'

/** How many entries behind an end belong to what may have caused it. */
const BEHIND = 64

/** An execution's id, or a decision's position. */
export type Target = { readonly execution: string } | { readonly decision: number }

/** Reads what is to be explained from the command line. @throws CliError `USAGE` */
export function parseTarget(text: string): Target {
  if (/^[0-9a-f]{32}$/.test(text)) return { execution: text }
  if (/^[0-9]{1,15}$/.test(text)) return { decision: Number(text) }
  throw new CliError(
    'USAGE',
    `an execution is named by 32 hexadecimal digits and a decision by its position, not ${JSON.stringify(text)}`,
    { next: '`writ lineage tree` shows both.' },
  )
}

/** Finds the decision and what followed from it. @throws CliError `UNKNOWN_ID` */
export async function findRequest(source: RequestSource, target: Target): Promise<FoundRequest> {
  const decision = await findDecision(source, target)
  let start: FoundRequest['start'] = null
  let end: FoundRequest['end'] = null
  const orders: EntryOf<Order>[] = []
  const changes: Change[] = []
  const { executionId, outcome, use } = decision.event
  // A denial starts nothing, and neither does a permit that consumes nothing: it was only asked for.
  if (outcome === 'permit' && executionId !== null && use !== null) {
    for await (const entry of source.read(decision.index + 1)) {
      if (end !== null && entry.index > end.index + BEHIND) break
      const { index, event } = entry
      switch (event.type) {
        case 'execution-start':
          if (event.executionId === executionId) start = { index, event }
          break
        case 'freeze':
        case 'renewal':
        case 'thaw':
        case 'hand-over':
        case 'adoption':
        case 'kill-sent':
          if (event.executionId === executionId) orders.push({ index, event })
          break
        case 'execution-end':
          if (event.executionId === executionId) end = { index, event }
          break
        case 'appraisal':
          if (event.verdict === 'fail') changes.push({ index, event })
          break
        case 'trust-transition':
        case 'revocation':
          changes.push({ index, event } as Change)
      }
    }
  }
  return { decision, start, orders, end, changes }
}

async function findDecision(source: RequestSource, target: Target): Promise<EntryOf<'decision'>> {
  const unknown = (what: string, next?: string) => new CliError('UNKNOWN_ID', what, { next })
  const own = source.where === 'daemon' ? ' that you may see' : ''
  const at = 'decision' in target ? target.decision : await source.decisionOf(target.execution)
  if (at === null) {
    const id = 'execution' in target ? target.execution : ''
    throw unknown(`the log has no execution ${id}${own}`)
  }
  for await (const { index, event } of source.read(at, at + 1)) {
    if (event.type === 'decision') return { index, event }
    const next =
      'executionId' in event
        ? `It is about the execution ${event.executionId}: \`writ explain ${event.executionId}\`.`
        : undefined
    throw unknown(`entry ${index} is no decision, it is of type ${event.type}`, next)
  }
  throw unknown(`the log has no entry ${at}${own}`)
}

/** Permits that consumed a use of the same artifact, and the revocations, before a decision. */
export async function findBefore(
  source: RequestSource,
  decision: EntryOf<'decision'>,
): Promise<{ uses: EntryOf<'decision'>[]; revocations: EntryOf<'revocation'>[] }> {
  const uses: EntryOf<'decision'>[] = []
  const revocations: EntryOf<'revocation'>[] = []
  const { artifact } = decision.event
  for await (const { index, event } of source.read(0, decision.index)) {
    if (event.type === 'revocation') revocations.push({ index, event })
    else if (
      event.type === 'decision' &&
      event.outcome === 'permit' &&
      event.use !== null &&
      event.artifact === artifact
    ) {
      uses.push({ index, event })
    }
  }
  return { uses, revocations }
}
