import { join } from 'node:path'
import { Reevaluator } from '../../authorization/index.ts'
import { WritError } from '../../encoding/error.ts'
import { canonicalJson, type JsonValue, parseJson } from '../../encoding/json.ts'
import { inlineBlob, type LineageEvent, readBlob, verifyLog } from '../../lineage/index.ts'
import { LINEAGE_PATH, readBundleHost } from '../verify/bundle.ts'
import { checkInline, compareWithEntry } from '../verify/decisions.ts'
import { checkIdentity } from '../verify/identity.ts'
import type { PropertyResult } from '../verify/property.ts'
import { type LogEntry, property, StepFailure } from '../verify/steps.ts'
import { EARLIER, type VerifyTrust } from '../verify/verify.ts'
import { firstDifference } from './difference.ts'

type Decided = Extract<LineageEvent, { type: 'decision' | 'renewal' }>

/** A recorded decision that is not what its inputs lead to, or of which that cannot be said. */
export interface Deviation {
  /** Its position in the lineage. */
  readonly index: number
  readonly type: Decided['type']
  readonly executionId: string | null
  /** `unknown`: something that it rests on is missing, altered, not signed, or of a form that this build does not know. */
  readonly outcome: 'differs' | 'unknown'
  /** The first field that differs; null where no field does, or where nothing could be compared. */
  readonly at: string | null
  /** That field as it is recorded and as it should be, as JSON cut to a length; null where there is none. */
  readonly recorded: string | null
  readonly expected: string | null
  readonly message: string
  /** What kept it from being evaluated; null if it was. */
  readonly code: string | null
}

/** What came of evaluating every recorded decision again. Text in it comes from the bundle. */
export interface Replayed {
  readonly entries: number
  readonly permits: number
  readonly denials: number
  readonly renewals: number
  /** Those that came out the same, byte by byte. */
  readonly same: number
  /** Denials of floods, of which only the number is recorded. */
  readonly counted: number
  readonly deviations: readonly Deviation[]
  /** Versions of the daemon that made the decisions. */
  readonly recordedBy: readonly string[]
  readonly properties: readonly PropertyResult[]
}

/** Longest text that is shown of a field, in UTF-16 code units. */
const MAX_SHOWN = 200

/**
 * Evaluates every decision of an exported bundle again, from what the log recorded of it and nothing else: no clock, no host and no
 * network of where it runs has a part in it.
 *
 * @param directory controlled by whoever made the bundle: all blobs are hashed, the log is recomputed up to its checkpoint
 * @param trust governance keys of the auditor's; without any, documents are read without their signatures and the outcome says so
 * @param progress told of each hundredth decision
 * @throws CliError only when there is no such directory
 */
export async function replayBundle(
  directory: string,
  trust: VerifyTrust,
  progress: (done: number) => void = () => undefined,
): Promise<Replayed> {
  const path = join(directory, LINEAGE_PATH)
  const identity = await checkIdentity(await readBundleHost(directory), trust)
  const { ak } = identity
  const entries: LogEntry[] = []
  const carriers = new Map<string, Decided>()
  const log = await verifyLog(
    path,
    { earlier: trust.earlier, ...(ak === null ? {} : { ak }) },
    (event, index) => {
      entries.push({ index, event })
      if (event.type === 'decision' || event.type === 'renewal')
        for (const digest of Object.keys(event.inline)) carriers.set(digest, event)
    },
  )
  const blob = async (digest: string) => {
    const carrier = carriers.get(digest)
    return (carrier && inlineBlob(carrier, digest)) ?? readBlob(path, digest)
  }
  const given = trust.operators.length > 0 || trust.hostId !== null
  const replayed = await replayEntries(entries, trust, blob, progress)
  return {
    ...replayed,
    entries: entries.length,
    properties: [
      ...identity.results.map(result => ({ ...result, asked: result.asked && given })),
      ...log.results.map(({ property, status, detail, file }) => ({
        ...{ property, status, detail },
        asked: property === EARLIER ? trust.earlier.length > 0 : given,
        ...(file === undefined ? {} : { file: `${LINEAGE_PATH}/${file}` }),
      })),
      await checkDocuments(trust, replayed),
      await checkSame(replayed, entries.length > 0 && entries.length === log.checkpoint?.size),
    ],
  }
}

type Outcome = Omit<Replayed, 'entries' | 'properties'>

async function replayEntries(
  entries: readonly LogEntry[],
  { operators }: VerifyTrust,
  blob: (digest: string) => Promise<Buffer>,
  progress: (done: number) => void,
): Promise<Outcome> {
  const reevaluator = new Reevaluator(blob, { governance: operators.length > 0 ? operators : null })
  const counts = { permits: 0, denials: 0, renewals: 0, same: 0, counted: 0 }
  const deviations: Deviation[] = []
  const recordedBy = new Set<string>()
  let version = 'unknown'
  for (const { index, event } of entries) {
    if (event.type === 'daemon-start') version = event.daemonVersion
    if (event.type === 'denials-counted') counts.counted += event.count
    if (event.type !== 'decision' && event.type !== 'renewal') continue
    recordedBy.add(version)
    if (event.type === 'renewal') counts.renewals++
    else if (event.outcome === 'permit') counts.permits++
    else counts.denials++
    const found = await deviationOf(reevaluator, event, blob)
    if (found === null) counts.same++
    else deviations.push({ index, type: event.type, executionId: event.executionId, ...found })
    const done = counts.same + deviations.length
    if (done % 100 === 0) progress(done)
  }
  return { ...counts, deviations, recordedBy: [...recordedBy] }
}

type Finding = Omit<Deviation, 'index' | 'type' | 'executionId'>

/** Evaluates one decision again. Null: the same bytes, and its entry says the same. */
async function deviationOf(
  reevaluator: Reevaluator,
  event: Decided,
  blob: (digest: string) => Promise<Buffer>,
): Promise<Finding | null> {
  const nothing = { at: null, recorded: null, expected: null }
  try {
    const bytes = await blob(event.record)
    const { same, record, expected } = await reevaluator.reevaluate(bytes)
    if (!same) return { outcome: 'differs', code: null, ...compare(bytes, expected) }
    compareWithEntry(event, record)
    checkInline(event, record)
    return null
  } catch (error) {
    // What the record says is what its inputs lead to; what the entry says beside it is not.
    if (error instanceof StepFailure)
      return { outcome: 'differs', code: null, ...nothing, message: error.message }
    const code = error instanceof WritError ? error.code : 'INTERNAL'
    const message = error instanceof Error ? error.message : String(error)
    return { outcome: 'unknown', code, ...nothing, message }
  }
}

/** Most bytes and levels of a record: as `parseRecord` takes them. */
const LIMITS = { maxBytes: 16 << 20, maxDepth: 16 }

function compare(bytes: Buffer, again: Buffer): Pick<Finding, 'at' | 'recorded' | 'expected' | 'message'> {
  const found = firstDifference(parseJson(bytes, LIMITS), parseJson(again, LIMITS))
  if (found === null) {
    const message = 'the record says the same in another spelling'
    return { at: null, recorded: null, expected: null, message }
  }
  const { at, recorded, expected } = found
  return {
    at,
    recorded: shown(recorded),
    expected: shown(expected),
    message: `evaluated again, ${at} is ${shown(expected) ?? 'not there'}; recorded is ${shown(recorded) ?? 'nothing'}`,
  }
}

function shown(value: JsonValue | undefined): string | null {
  if (value === undefined) return null
  const text = canonicalJson(value)
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN - 1)}…`.toWellFormed() : text
}

function checkDocuments({ operators }: VerifyTrust, { deviations }: Outcome): Promise<PropertyResult> {
  return property(
    'documents signed by the operator',
    () => {
      if (operators.length === 0) return { notChecked: "no operator's key was given (--operator-key)" }
      const unsigned = deviations.find(({ code }) => code === 'DOCUMENT_UNSIGNED')
      if (unsigned !== undefined) throw new StepFailure(`entry ${unsigned.index}: ${unsigned.message}`)
      return { detail: 'trust roots, policies and revocations of every decision that was evaluated' }
    },
    operators.length > 0,
  )
}

function checkSame({ same, deviations }: Outcome, whole: boolean): Promise<PropertyResult> {
  return property('decisions evaluated again', () => {
    const [first] = deviations
    if (first !== undefined)
      throw new StepFailure(
        `${deviations.length} deviate, the first is entry ${first.index}: ${first.message}`,
      )
    if (!whole) throw new StepFailure('the log could not be read as a whole')
    if (same === 0) throw new StepFailure('the log has no decision')
    return { detail: `${same}, each the same bytes again` }
  })
}
