import type { Checkpoint } from '../../lineage/index.ts'
import type { PropertyResult } from '../verify/property.ts'
import { type LogEntry, property, StepFailure } from '../verify/steps.ts'
import type { VerifyTrust } from '../verify/verify.ts'
import { causeOf, type EndCause, hitting, revocableOf } from './cause.ts'
import { checkCheckpoint } from './daemon-source.ts'
import { type FoundEvidence, findEvidence } from './evidence.ts'
import { type EntryOf, type FoundRequest, findBefore, findRequest, type Target } from './find.ts'
import { checkGroundsOf, checkQuoteOf } from './grounds.ts'
import { type ProvenEntry, proveEntries } from './proofs.ts'
import { decideAgain, type Recorded } from './recorded.ts'
import { sentence } from './sentence.ts'
import type { OpenedSource, RequestSource } from './source.ts'

/** One request seen whole. Its text comes from callers, artifacts and the log: none of it is safe for a terminal yet. */
export interface Explained {
  readonly sentence: string
  readonly request: FoundRequest
  readonly recorded: Recorded
  readonly cause: EndCause | null
  /** Null when the record may not be seen. */
  readonly evidence: FoundEvidence | null
  /** The entries of this request, in the log's order, each with its proof. */
  readonly entries: readonly ProvenEntry[]
  readonly checkpoint: Checkpoint | null
  readonly properties: readonly PropertyResult[]
}

/**
 * Explains one request: finds its entries, decides it again from its record, says what it stood on and what ended it, and proves
 * its entries. Nothing is decided here; what could not be looked at is NOT CHECKED.
 *
 * @throws CliError `UNKNOWN_ID`; CallError when the daemon cannot be asked
 */
export async function explainRequest(
  opened: OpenedSource,
  target: Target,
  trust: VerifyTrust,
): Promise<Explained> {
  const { source } = opened
  const request = await findRequest(source, target)
  const recorded = await decideAgain(source, request, trust)
  const cause = await causeOf(source, request, recorded)
  const { uses, revocation } = await denialGrounds(source, request, recorded)
  const evidence = await findEvidence(opened, recorded.record)
  const own: LogEntry[] = [
    request.decision,
    ...[request.start, request.end].filter(entry => entry !== null),
    ...request.orders,
    ...(cause?.entries ?? []),
    ...[evidence?.appraisal, uses.at(-1), revocation].filter(entry => entry != null),
  ]
  const checkpoint = await source.checkpoint(Math.max(...own.map(({ index }) => index)) + 1)
  const entries = await proveEntries(source, own, checkpoint)
  return {
    sentence: sentence({ request, recorded, cause, uses, revocation }),
    ...{ request, recorded, cause, evidence, entries, checkpoint },
    properties: [
      ...opened.properties,
      ...(source.where === 'daemon' && checkpoint !== null
        ? await checkCheckpoint(source, checkpoint, opened.ak, trust.earlier)
        : []),
      await inclusion(entries, checkpoint),
      ...recorded.properties,
      await checkGroundsOf(opened, request, recorded, trust),
      await checkQuoteOf(opened, evidence, checkpoint),
    ],
  }
}

/** What had used the artifact up, or revoked it, before it was denied. */
async function denialGrounds(
  source: RequestSource,
  request: FoundRequest,
  recorded: Recorded,
): Promise<{ uses: EntryOf<'decision'>[]; revocation: EntryOf<'revocation'> | null }> {
  const { reasons } = request.decision.event
  const because = (code: string) => reasons.some(reason => reason.code === code)
  if (!because('REPLAYED') && !because('REVOKED')) return { uses: [], revocation: null }
  const { uses, revocations } = await findBefore(source, request.decision)
  // A request that was denied has no terms: its programs are those that its reasons name.
  const named = reasons.flatMap(({ code, message }) => {
    const id = code === 'REVOKED' ? /^the program ([0-9a-f]{64}) is revoked$/.exec(message)?.[1] : undefined
    return id === undefined ? [] : [['program', id] as const]
  })
  const hit = because('REVOKED')
    ? await hitting(source, revocations, [...named, ...revocableOf(request, recorded)])
    : null
  return { uses: because('REPLAYED') ? uses : [], revocation: hit?.entry ?? null }
}

function inclusion(entries: readonly ProvenEntry[], checkpoint: Checkpoint | null): Promise<PropertyResult> {
  return property(
    'inclusion of its entries',
    () => {
      const failed = entries.find(({ status }) => status === 'FAILED')
      if (failed !== undefined) throw new StepFailure(`entry ${failed.index}: ${failed.detail}`)
      const open = entries.find(({ status }) => status !== 'VERIFIED')
      if (open !== undefined) return { notChecked: `entry ${open.index}: ${open.detail}` }
      return { detail: `${entries.length} entries in the tree of ${checkpoint?.size} entries` }
    },
    false,
  )
}
