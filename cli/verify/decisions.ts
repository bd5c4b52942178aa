import {
  type Authority,
  countSigners,
  type DecisionRecord,
  openTrustRoots,
  parseRecord,
  parseStatement,
  Reevaluator,
  recordReferences,
  signedBy,
} from '../../authorization/index.ts'
import { sha256Hex } from '../../encoding/digest.ts'
import { base64ToBytes } from '../../encoding/text.ts'
import { inlineBlob } from '../../lineage/index.ts'
import { checkSignatures, parseEnvelope } from '../../signing/dsse.ts'
import { type PublicKey, readPublicKey } from '../../signing/key.ts'
import type { ReadBlob } from './documents.ts'
import { DroppedEntries } from './dropped-entries.ts'
import { checkGrounds } from './grounds.ts'
import type { LogState } from './log-state.ts'
import { atEntry, type EventOf, type Holds, type LogEntry, type NotLookedAt, StepFailure } from './steps.ts'

type Decision = EventOf<'decision'>
type Renewal = EventOf<'renewal'>

/** An entry with fewer reasons than its record has at least this much of them. */
const FULL_REASON_BYTES = 24 << 10

function decisionsOf(entries: readonly LogEntry[]): { index: number; event: Decision }[] {
  return entries.flatMap(({ index, event }) => (event.type === 'decision' ? [{ index, event }] : []))
}

/**
 * Every decision, made again from its recorded inputs, gives the recorded bytes; its entry says the same as its record; and
 * what it rested on is what the log says was so.
 */
export async function checkDecisions(
  entries: readonly LogEntry[],
  operators: readonly PublicKey[],
  blob: ReadBlob,
  state: LogState,
  hostId: string | null,
): Promise<Holds | NotLookedAt> {
  const dropped = new DroppedEntries()
  const reevaluator = new Reevaluator(blob, { governance: operators })
  let permits = 0
  let denials = 0
  let renewals = 0
  for (const entry of entries) {
    const { index, event } = entry
    await atEntry(index, async () => {
      if (event.type === 'decision' || event.type === 'renewal') {
        await dropped.unless(index, async () => {
          const bytes = await blob(event.record)
          // The record says more than whether it comes about again, also where that cannot be seen any longer.
          const again = await dropped.unless(index, () => reevaluator.reevaluate(bytes))
          if (again?.same === false) throw new StepFailure('evaluated again, the decision is another one')
          const record = again?.record ?? parseRecord(bytes)
          compareWithEntry(event, record)
          checkInline(event, record)
          checkGrounds({ index, event }, record, state, entries, hostId)
          if (again === undefined) return
          if (event.type === 'renewal') renewals++
          else if (event.outcome === 'permit') permits++
          else denials++
        })
      }
      await state.apply(entry)
    })
  }
  return dropped.result(
    `${permits} permits and ${denials} denials${renewals === 0 ? '' : `, and ${renewals} decisions on what was permitted before`}, each the same bytes again and on what was in force`,
  )
}

/** An entry carries its record and the artifact that was sent, whole, and nothing else. @throws StepFailure, LineageError */
export function checkInline(event: Decision | Renewal, { inputs }: DecisionRecord): void {
  for (const digest of Object.keys(event.inline)) {
    if (digest !== event.record && digest !== inputs?.artifact?.digest)
      throw new StepFailure(`the entry carries ${digest}, which is neither its record nor its artifact`)
    inlineBlob(event, digest)
  }
}

/** The entry is what was folded and shown; the record is what was decided. @throws StepFailure */
export function compareWithEntry(event: Decision | Renewal, record: DecisionRecord): void {
  const asked = record.inputs?.request.operation === 'continue'
  if (record.inputs !== null && asked !== (event.type === 'renewal'))
    throw new StepFailure('the entry is of another kind than its record')
  const consumed = event.type === 'decision' ? event.use : null
  const use = consumed && { issuer: consumed.issuer, id: consumed.id, maxUses: consumed.maxUses }
  const recordUse = record.use && {
    issuer: record.use.issuer,
    id: record.use.id,
    maxUses: record.use.maxUses,
  }
  const differs =
    event.outcome !== record.outcome
      ? 'outcome'
      : !sameReasons(event.reasons, record.reasons)
        ? 'reasons'
        : event.artifact !== record.artifactDigest
          ? 'artifact'
          : JSON.stringify(use) !== JSON.stringify(recordUse)
            ? 'use'
            : record.inputs !== null && event.executionId !== record.inputs.request.executionId
              ? 'execution'
              : !sameCaller(event.caller, record.inputs?.caller)
                ? 'caller'
                : event.inputs.join() !== recordReferences(record).join()
                  ? 'blobs'
                  : undefined
  if (differs !== undefined) throw new StepFailure(`entry and record differ in the ${differs}`)
}

function sameCaller(
  caller: Decision['caller'],
  recorded: NonNullable<DecisionRecord['inputs']>['caller'] | undefined,
) {
  if (recorded == null) return true
  return (
    recorded.uid === caller.uid &&
    recorded.gid === caller.gid &&
    recorded.pid === caller.pid &&
    recorded.unit === caller.unit &&
    recorded.parentExecution === caller.parent &&
    recorded.cgroup === (caller.cgroup ?? '')
  )
}

/** An entry takes only so much: it has the first reasons, each cut to its length. */
function sameReasons(entry: Decision['reasons'], record: DecisionRecord['reasons']): boolean {
  const cut = (text: string, length: number) => text.slice(0, length).toWellFormed()
  const full = entry.length === 64 || Buffer.byteLength(JSON.stringify(entry)) > FULL_REASON_BYTES
  return (
    (entry.length === record.length || (full && entry.length < record.length)) &&
    entry.every(({ code, message, at }, i) => {
      const item = record[i]
      return (
        item?.code === code &&
        cut(item.message, 512) === message &&
        (item.at === undefined ? null : cut(item.at, 128)) === at
      )
    })
  )
}

/** The artifact of each permit is signed by as many keys of its issuer as the trust roots ask for. */
export async function checkArtifacts(
  entries: readonly LogEntry[],
  operators: readonly PublicKey[],
  blob: ReadBlob,
): Promise<Holds | NotLookedAt> {
  const dropped = new DroppedEntries()
  const seen = new Set<string>()
  for (const { index, event } of decisionsOf(entries)) {
    if (event.outcome !== 'permit') continue
    const check = async () => {
      const { inputs } = parseRecord(await blob(event.record))
      // A permit to mint has no artifact; what was minted is checked where it is used.
      if (inputs === null || inputs.artifact === null) return
      const appraisal = entries[Number(inputs.gate.appraisalIndex)]?.event
      seen.add(await checkArtifact(event, inputs, { operators, blob, appraisal }))
    }
    await atEntry(index, () => dropped.unless(index, check))
  }
  return dropped.result(`${seen.size} artifacts, each by its issuer`)
}

/**
 * The artifact of a permit is the one that its entry names, and signed as its issuer has to sign.
 *
 * @param by.appraisal the one that the permit rests on: it certifies the session key
 * @returns the artifact's digest
 * @throws StepFailure; what opening trust roots, envelope and statement throws
 */
export async function checkArtifact(
  event: Decision,
  inputs: NonNullable<DecisionRecord['inputs']>,
  by: {
    readonly operators: readonly PublicKey[]
    readonly blob: ReadBlob
    readonly appraisal: LogEntry['event'] | undefined
  },
): Promise<string> {
  const envelope = parseEnvelope(await by.blob(inputs.artifact?.digest ?? ''))
  const digest = sha256Hex(envelope.payload)
  if (digest !== event.artifact)
    throw new StepFailure('the artifact in the evidence is not the one that the entry names')
  const { issuer, validity } = parseStatement(envelope.payload).predicate
  if (issuer.startsWith('host:')) {
    if (!checkSignatures(envelope, [sessionKeyOf(inputs, by.appraisal)], 1).met)
      throw new StepFailure('the artifact is not signed by the session key of its host')
  } else {
    const rule = await authority(issuer, inputs.trustRoots, by.operators, by.blob)
    if (!countSigners(signedBy(envelope, rule), inputs.clock.now).met)
      throw new StepFailure(`the artifact is not signed as ${issuer} has to sign`)
  }
  // Its uses are kept as long as that.
  if (event.use !== null && event.use.notAfter !== validity.notAfter)
    throw new StepFailure('the entry names another end of its validity than the artifact')
  return digest
}

async function authority(
  issuer: string,
  trustRoots: string | null,
  operators: readonly PublicKey[],
  blob: ReadBlob,
): Promise<Authority> {
  if (trustRoots === null) throw new StepFailure('there were no trust roots')
  const found = openTrustRoots(await blob(trustRoots), operators).authorities.get(issuer)
  if (found === undefined) throw new StepFailure(`the trust roots know no ${issuer}`)
  return found
}

/** The daemon's own key counts only as far as a quote has certified it. */
function sessionKeyOf(
  inputs: NonNullable<DecisionRecord['inputs']>,
  appraisal: LogEntry['event'] | undefined,
): PublicKey {
  const key = readPublicKey(base64ToBytes(inputs.minting.sessionKeySpki, 'session key'))
  if (appraisal?.type !== 'appraisal' || appraisal.binding.sessionKeySpkiDigest !== key.id) {
    throw new StepFailure('the session key that minted the artifact is certified by no quote')
  }
  return key
}

/** No artifact was used more often than it allows, and no issuer's id stands for two artifacts. */
export function checkUses(entries: readonly LogEntry[]): Holds {
  const used = new Map<string, number>()
  const payloads = new Map<string, { payload: string; notAfter: string }>()
  for (const { index, event } of entries) {
    if (event.type === 'snapshot' && event.horizon !== null) {
      // From there on a daemon does not know any more what these ids stood for; the step on snapshots says whether it was time.
      for (const [name, { notAfter }] of payloads) if (notAfter < event.horizon) payloads.delete(name)
    }
    if (event.type !== 'decision') continue
    if (event.outcome !== 'permit' || event.use === null || event.artifact === null) continue
    const { issuer, id, maxUses, notAfter } = event.use
    const count = (used.get(event.artifact) ?? 0) + 1
    used.set(event.artifact, count)
    if (maxUses !== null && count > maxUses) {
      throw new StepFailure(`entry ${index}: use ${count} of an artifact that allows ${maxUses}`)
    }
    const name = `${issuer}\0${id}`
    const known = payloads.get(name)
    if (known !== undefined && known.payload !== event.artifact) {
      throw new StepFailure(`entry ${index}: ${id} of ${issuer} stands for two artifacts`)
    }
    payloads.set(name, { payload: event.artifact, notAfter })
  }
  return { detail: `${used.size} artifacts used, none more often than it allows` }
}
