import { type DecisionRecord, parseRecord } from '../../authorization/index.ts'
import type { ReadBlob } from './documents.ts'
import { atEntry, type EventOf, type Holds, type LogEntry, StepFailure } from './steps.ts'

type Decision = EventOf<'decision'> | EventOf<'renewal'>

/** Where the fold of the entries so far has what a decision can link to. */
interface Places {
  /** Position by digest of the envelope: the newest entry that put it in force. */
  readonly policies: Map<string, number>
  readonly trustRoots: Map<string, number>
  readonly starts: Map<string, number>
  readonly ended: Set<string>
}

/**
 * What each decision links to is what its record names: the entries that put its policy and its trust roots in force, the appraisal that the
 * gate was open on, and the START of the parent that it came from.
 */
export async function checkLinks(entries: readonly LogEntry[], blob: ReadBlob): Promise<Holds> {
  const places: Places = {
    policies: new Map(),
    trustRoots: new Map(),
    starts: new Map(),
    ended: new Set(),
  }
  let links = 0
  for (const { index, event } of entries) {
    await atEntry(index, async () => {
      if (event.type === 'decision' || event.type === 'renewal')
        links += compare(event, parseRecord(await blob(event.record)), places, entries)
      else take(index, event, places)
    })
  }
  return { detail: `${links} links, each to the entry that the decision's record names` }
}

function take(index: number, event: LogEntry['event'], places: Places): void {
  if (event.type === 'policy') places.policies.set(event.blob, index)
  else if (event.type === 'trust-roots') places.trustRoots.set(event.blob, index)
  else if (event.type === 'execution-start') places.starts.set(event.executionId, index)
  else if (event.type === 'execution-end') places.ended.add(event.executionId)
  else if (event.type === 'rollback-accepted' || event.type === 'epoch-accepted') {
    // All that permits has to be loaded again.
    places.policies.clear()
    places.trustRoots.clear()
  }
}

/** @returns how many links it has. @throws StepFailure */
function compare(
  { links, caller }: Decision,
  { inputs }: DecisionRecord,
  { policies, trustRoots, starts, ended }: Places,
  entries: readonly LogEntry[],
): number {
  const named = (digest: string | null | undefined, places: ReadonlyMap<string, number>) =>
    digest == null ? null : (places.get(digest) ?? null)
  const appraisal = inputs?.gate.appraisalIndex ?? null
  const expected = {
    policy: named(inputs?.policy, policies),
    'trust roots': named(inputs?.trustRoots, trustRoots),
    appraisal: appraisal === null ? null : Number(appraisal),
  }
  const found = { policy: links.policy, 'trust roots': links.trustRoots, appraisal: links.appraisal }
  for (const name of ['policy', 'trust roots', 'appraisal'] as const) {
    if (found[name] !== expected[name])
      throw new StepFailure(
        `its link to the ${name} is ${found[name]}, where its record names ${expected[name]}`,
      )
  }
  if (links.appraisal !== null && entries[links.appraisal]?.event.type !== 'appraisal')
    throw new StepFailure('its link to the appraisal leads to none')
  checkParent(links.parent, caller.parent, starts, ended)
  return Object.values(links).filter(link => link !== null).length
}

/** A parent that had ended, or never ran, has no link: its END may be on its way when the decision is written. */
function checkParent(
  link: number | null,
  parent: string | null,
  starts: ReadonlyMap<string, number>,
  ended: ReadonlySet<string>,
): void {
  const start = parent === null ? null : (starts.get(parent) ?? null)
  if (link === start) return
  if (link === null && (parent === null || ended.has(parent))) return
  throw new StepFailure(`its link to its parent's START is ${link}, which is ${start}`)
}
