import { type DecisionRecord, type LaunchTerms, parseRecord } from '../authorization/index.ts'
import { sha256Hex } from '../encoding/digest.ts'
import { base64ToBytes } from '../encoding/text.ts'
import { inlineBlob, type LineageEvent } from '../lineage/index.ts'
import { ReceiptError } from './error.ts'

type EventOf<T extends LineageEvent['type']> = Extract<LineageEvent, { type: T }>

/** An event and its index in the log. */
export interface Numbered<T extends LineageEvent = LineageEvent> {
  readonly index: number
  readonly event: T
}
type Entry<T extends LineageEvent['type']> = Numbered<EventOf<T>>

export const BETWEEN = ['freeze', 'renewal', 'thaw', 'hand-over', 'adoption', 'kill-sent'] as const
type Between = (typeof BETWEEN)[number]

/** All that the log says of one execution that ran and has ended, and what that rests on. */
export interface Story {
  readonly executionId: string
  /** The run of the daemon that permitted it. */
  readonly run: Entry<'daemon-start'>
  readonly trustRoots: Entry<'trust-roots'> | null
  readonly policy: Entry<'policy'> | null
  /** What the gate was open by. */
  readonly appraisal: Entry<'appraisal'>
  /** START of the execution that asked for it. */
  readonly parent: Entry<'execution-start'> | null
  readonly permit: Entry<'decision'>
  readonly record: DecisionRecord
  readonly inputs: NonNullable<DecisionRecord['inputs']>
  readonly terms: LaunchTerms
  readonly start: Entry<'execution-start'>
  readonly between: readonly Entry<Between>[]
  readonly end: Entry<'execution-end'>
}

function inconsistent(what: string, at?: number): ReceiptError {
  return new ReceiptError('RECEIPT_INCONSISTENT', what, at === undefined ? {} : { at: String(at) })
}

/**
 * Reads entries as the story of one execution. Each has its place: what is missing, left over, of another execution or at odds with the decision's
 * record is an error.
 *
 * @param entries by their index; controlled by whoever made the receipt
 * @param blob gives a blob by its digest, checked against that
 * @throws ReceiptError; AuthorizationError when the record cannot be read
 */
export async function readStory(
  entries: readonly Numbered[],
  blob: (digest: string) => Promise<Buffer>,
): Promise<Story> {
  const taken = new Set<Numbered>()
  const all = <T extends LineageEvent['type']>(
    types: readonly T[],
    fits: (entry: Entry<T>) => boolean = () => true,
  ) => {
    const found = entries.filter(
      (entry): entry is Entry<T> =>
        (types as readonly string[]).includes(entry.event.type) && fits(entry as Entry<T>),
    )
    for (const entry of found) taken.add(entry)
    return found
  }
  const one = <T extends LineageEvent['type']>(type: T, fits?: (entry: Entry<T>) => boolean) => {
    const [entry, ...more] = all([type], fits)
    if (entry === undefined) throw inconsistent(`there is no entry of type ${type}`)
    if (more.length > 0) throw inconsistent(`there are ${more.length + 1} entries of type ${type}`)
    return entry
  }
  const end = one('execution-end')
  const { executionId } = end.event
  const permit = one('decision')
  if (permit.event.outcome !== 'permit' || permit.event.executionId !== executionId)
    throw inconsistent('the decision is not a permit of the execution that ended', permit.index)
  const start = one('execution-start', ({ event }) => event.executionId === executionId)
  const record = parseRecord(
    inlineBlob(permit.event, permit.event.record) ?? (await blob(permit.event.record)),
  )
  const { inputs, terms } = record
  if (
    inputs === null ||
    terms === null ||
    record.outcome !== 'permit' ||
    inputs.request.executionId !== executionId
  )
    throw inconsistent("the decision's record is not that of a permit of this execution", permit.index)
  const story: Story = {
    ...{ executionId, permit, record, inputs, terms, start, end },
    run: one('daemon-start'),
    appraisal: one('appraisal'),
    trustRoots: all(['trust-roots']).length === 0 ? null : one('trust-roots'),
    policy: all(['policy']).length === 0 ? null : one('policy'),
    parent: parentOf(all(['execution-start'], ({ event }) => event.executionId === start.event.parent)),
    between: all(BETWEEN, ({ event }) => event.executionId === executionId),
  }
  const stray = entries.find(entry => !taken.has(entry))
  if (stray !== undefined)
    throw inconsistent(`an entry of type ${stray.event.type} does not belong to it`, stray.index)
  checkOrder(story)
  checkGrounds(story)
  checkSubjects(story)
  return story
}

function parentOf([entry, ...more]: readonly Entry<'execution-start'>[]) {
  if (more.length > 0) throw inconsistent('there are several STARTs of the parent', entry?.index)
  return entry ?? null
}

/** What rests on something comes after it. */
function checkOrder({
  run,
  trustRoots,
  policy,
  appraisal,
  parent,
  permit,
  start,
  between,
  end,
}: Story): void {
  for (const entry of [run, trustRoots, policy, appraisal, parent])
    if (entry !== null && entry.index >= permit.index)
      throw inconsistent('the permit does not come after it', entry.index)
  if (start.event.decision !== permit.index || start.index <= permit.index)
    throw inconsistent('the START is not that of the permit', start.index)
  for (const { index, event } of between) {
    if (index <= start.index || index >= end.index)
      throw inconsistent('it is not between START and END', index)
    if ('decision' in event && event.decision !== permit.index)
      throw inconsistent('it names another permit', index)
    if (
      (event.type === 'thaw' || event.type === 'adoption') &&
      !isPermitted(between, permit, event.renewal, index)
    )
      throw inconsistent('it goes on without a decision that permits it', index)
    if (event.type === 'adoption' && !isHandedOver(between, index))
      throw inconsistent('it was taken over, and nobody had handed it over', index)
  }
  if (end.index <= start.index) throw inconsistent('the END does not come after the START', end.index)
  if (end.event.decision !== permit.index) throw inconsistent('the END is not that of the permit', end.index)
  if (!end.event.confirmedDead) throw inconsistent('it was not seen to be dead', end.index)
}

/**
 * Whether what is newest before this entry, of all that lets it go on or keeps it from that, is this decision, and it permits, with the artifact of
 * the permit: what came in between has used it up, or is one that it did not know of.
 */
function isPermitted(
  between: Story['between'],
  permit: Story['permit'],
  renewal: number,
  before: number,
): boolean {
  const newest = between
    .filter(({ index, event }) => index < before && event.type !== 'kill-sent')
    .reduce<Story['between'][number] | null>(
      (last, entry) => (last === null || entry.index > last.index ? entry : last),
      null,
    )
  return (
    newest?.index === renewal &&
    newest.event.type === 'renewal' &&
    newest.event.outcome === 'permit' &&
    newest.event.artifact === permit.event.artifact
  )
}

/** Whether an entry before this one says that it is kept for a later run of the daemon. */
function isHandedOver(between: Story['between'], before: number): boolean {
  return between.some(({ index, event }) => event.type === 'hand-over' && index < before)
}

/** Run, appraisal, documents and parent are those that the decision was made on. */
function checkGrounds({ run, trustRoots, policy, appraisal, parent, permit, inputs, start }: Story): void {
  const { links, caller } = permit.event
  if (inputs.host.id !== run.event.hostId) throw inconsistent('it was permitted on another host', run.index)
  const session = sha256Hex(base64ToBytes(run.event.sessionKeySpki, 'session key'))
  if (appraisal.event.binding.sessionKeySpkiDigest !== session || run.index >= appraisal.index)
    throw inconsistent('the appraisal is of another run of the daemon', appraisal.index)
  if (
    inputs.gate.appraisalIndex !== String(appraisal.index) ||
    (links.appraisal ?? appraisal.index) !== appraisal.index
  )
    throw inconsistent('the permit rests on another appraisal', appraisal.index)
  if (appraisal.event.verdict === 'fail') throw inconsistent('the appraisal failed', appraisal.index)
  for (const [entry, blob, link] of [
    [trustRoots, inputs.trustRoots, links.trustRoots],
    [policy, inputs.policy, links.policy],
  ] as const) {
    if (entry === null ? link !== null : entry.event.blob !== blob || (link ?? entry.index) !== entry.index)
      throw inconsistent('the permit rests on another document', entry?.index ?? link ?? undefined)
  }
  const above = inputs.parent?.executionId ?? null
  if (caller.parent !== above || start.event.parent !== above)
    throw inconsistent('permit and START name another parent', permit.index)
  if (parent === null ? links.parent !== null : (links.parent ?? parent.index) !== parent.index)
    throw inconsistent('the permit names another START of the parent', permit.index)
}

/** What was started are the bytes that were permitted. */
function checkSubjects({ start, terms }: Story): void {
  const permitted = new Set([terms.program, ...terms.files].map(({ sha256 }) => sha256))
  const { subjects } = start.event
  if (subjects.length !== permitted.size || subjects.some(digest => !permitted.has(digest)))
    throw inconsistent('it started other bytes than were permitted', start.index)
}
