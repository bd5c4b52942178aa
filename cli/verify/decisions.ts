import {
  type DecisionRecord,
  openTrustRoots,
  parseRecord,
  parseStatement,
  Reevaluator,
} from '../../authorization/index.ts'
import { sha256Hex } from '../../encoding/digest.ts'
import { base64ToBytes } from '../../encoding/text.ts'
import { checkSignatures, parseEnvelope } from '../../signing/dsse.ts'
import { type PublicKey, readPublicKey } from '../../signing/key.ts'
import type { ReadBlob } from './documents.ts'
import { atEntry, type EventOf, type Holds, type LogEntry, StepFailure } from './steps.ts'

type Decision = EventOf<'decision'>

function decisionsOf(entries: readonly LogEntry[]): { index: number; event: Decision }[] {
  return entries.flatMap(({ index, event }) => (event.type === 'decision' ? [{ index, event }] : []))
}

/**
 * Every decision, made again from its recorded inputs, gives the recorded bytes; its entry says the same as its record; and
 * what it rested on was in the log before it.
 */
export async function checkDecisions(
  entries: readonly LogEntry[],
  operator: PublicKey,
  blob: ReadBlob,
): Promise<Holds> {
  const reevaluator = new Reevaluator(blob, { governance: [operator] })
  const decisions = decisionsOf(entries)
  const inForceFrom = documentsByBlob(entries)
  for (const { index, event } of decisions) {
    await atEntry(index, async () => {
      const { same, record } = await reevaluator.reevaluate(await blob(event.record))
      if (!same) throw new StepFailure('evaluated again, the decision is another one')
      compareWithEntry(event, record)
      checkGrounds(index, record, entries, inForceFrom)
    })
  }
  const permits = decisions.filter(({ event }) => event.outcome === 'permit').length
  return { detail: `${permits} permits and ${decisions.length - permits} denials, each the same bytes again` }
}

/** The entry is what was folded and shown; the record is what was decided. */
function compareWithEntry(event: Decision, record: DecisionRecord): void {
  const codes = (list: readonly { code: string }[]) => list.map(({ code }) => code).join(' ')
  const use = event.use && { issuer: event.use.issuer, id: event.use.id, maxUses: event.use.maxUses }
  const recordUse = record.use && {
    issuer: record.use.issuer,
    id: record.use.id,
    maxUses: record.use.maxUses,
  }
  const request = record.inputs?.request
  const differs =
    event.outcome !== record.outcome
      ? 'outcome'
      : codes(event.reasons) !== codes(record.reasons)
        ? 'reasons'
        : event.artifact !== record.artifactDigest
          ? 'artifact'
          : JSON.stringify(use) !== JSON.stringify(recordUse)
            ? 'use'
            : event.executionId !== null && event.executionId !== request?.executionId
              ? 'execution'
              : record.inputs?.caller != null && record.inputs.caller.uid !== event.caller.uid
                ? 'caller'
                : undefined
  if (differs !== undefined) throw new StepFailure(`entry and record differ in the ${differs}`)
}

/** From which entry on a document (by type and blob) was in force. */
function documentsByBlob(entries: readonly LogEntry[]): ReadonlyMap<string, number> {
  const from = new Map<string, number>()
  for (const { index, event } of entries) {
    if (event.type !== 'trust-roots' && event.type !== 'policy') continue
    const key = `${event.type} ${event.blob}`
    if (!from.has(key)) from.set(key, index)
  }
  return from
}

/** A permit rests on trust roots, a policy and an appraisal that the log has before it. */
function checkGrounds(
  index: number,
  record: DecisionRecord,
  entries: readonly LogEntry[],
  inForceFrom: ReadonlyMap<string, number>,
): void {
  const { inputs } = record
  if (record.outcome !== 'permit' || inputs === null) return
  for (const [type, digest] of [
    ['trust-roots', inputs.trustRoots],
    ['policy', inputs.policy],
  ] as const) {
    if (digest !== null && !((inForceFrom.get(`${type} ${digest}`) ?? index) < index)) {
      throw new StepFailure(`it rests on a document (${type}) that the log had not put in force`)
    }
  }
  const { appraisalIndex } = inputs.gate
  const at = appraisalIndex === null ? index : Number(appraisalIndex)
  const appraisal = at < index ? entries[at]?.event : undefined
  if (appraisal?.type !== 'appraisal' || appraisal.verdict === 'fail') {
    throw new StepFailure('it rests on no good appraisal of the host')
  }
  if (appraisal.binding.referenceValuesDigest !== inputs.gate.referenceValuesDigest) {
    throw new StepFailure('its appraisal was by other reference values')
  }
}

/** The artifact of each permit is signed by as many keys of its issuer as the trust roots ask for. */
export async function checkArtifacts(
  entries: readonly LogEntry[],
  operator: PublicKey,
  blob: ReadBlob,
): Promise<Holds> {
  const seen = new Set<string>()
  for (const { index, event } of decisionsOf(entries)) {
    if (event.outcome !== 'permit') continue
    await atEntry(index, async () => {
      const { inputs } = parseRecord(await blob(event.record))
      // A permit to mint has no artifact; what was minted is checked where it is used.
      if (inputs === null || inputs.artifact === null) return
      const envelope = parseEnvelope(await blob(inputs.artifact.digest))
      const digest = sha256Hex(envelope.payload)
      if (digest !== event.artifact)
        throw new StepFailure('the artifact in the evidence is not the one that the entry names')
      const { issuer } = parseStatement(envelope.payload).predicate
      const { keys, threshold } = issuer.startsWith('host:')
        ? { keys: [sessionKeyOf(inputs, entries)], threshold: 1 }
        : await authority(issuer, inputs.trustRoots, operator, blob)
      if (!checkSignatures(envelope, keys, threshold).met) {
        throw new StepFailure(`the artifact is not signed by ${threshold} of ${issuer}'s keys`)
      }
      seen.add(digest)
    })
  }
  return { detail: `${seen.size} artifacts, each by its issuer` }
}

async function authority(issuer: string, trustRoots: string | null, operator: PublicKey, blob: ReadBlob) {
  if (trustRoots === null) throw new StepFailure('there were no trust roots')
  const found = openTrustRoots(await blob(trustRoots), [operator]).authorities.get(issuer)
  if (found === undefined) throw new StepFailure(`the trust roots know no ${issuer}`)
  return found
}

/** The daemon's own key counts only as far as a quote has certified it. */
function sessionKeyOf(
  inputs: NonNullable<DecisionRecord['inputs']>,
  entries: readonly LogEntry[],
): PublicKey {
  const key = readPublicKey(base64ToBytes(inputs.minting.sessionKeySpki, 'session key'))
  const appraisal = entries[Number(inputs.gate.appraisalIndex)]?.event
  if (appraisal?.type !== 'appraisal' || appraisal.binding.sessionKeySpkiDigest !== key.id) {
    throw new StepFailure('the session key that minted the artifact is certified by no quote')
  }
  return key
}

/** No artifact was used more often than it allows, and no issuer's id stands for two artifacts. */
export function checkUses(entries: readonly LogEntry[]): Holds {
  const used = new Map<string, number>()
  const payloads = new Map<string, string>()
  for (const { index, event } of decisionsOf(entries)) {
    if (event.outcome !== 'permit' || event.use === null || event.artifact === null) continue
    const { issuer, id, maxUses } = event.use
    const count = (used.get(event.artifact) ?? 0) + 1
    used.set(event.artifact, count)
    if (maxUses !== null && count > maxUses) {
      throw new StepFailure(`entry ${index}: use ${count} of an artifact that allows ${maxUses}`)
    }
    const name = `${issuer}\0${id}`
    const known = payloads.get(name)
    if (known !== undefined && known !== event.artifact) {
      throw new StepFailure(`entry ${index}: ${id} of ${issuer} stands for two artifacts`)
    }
    payloads.set(name, event.artifact)
  }
  return { detail: `${used.size} artifacts used, none more often than it allows` }
}

/** Each execution started once, under its permit, with the subjects that the permit saw; and what ended is confirmed dead. */
export async function checkExecutions(entries: readonly LogEntry[], blob: ReadBlob): Promise<Holds> {
  const state = new Map<string, 'permitted' | 'started' | 'ended'>()
  const permitOf = new Map<string, number>()
  let starts = 0
  for (const { index, event } of entries) {
    await atEntry(index, async () => {
      if (event.type === 'decision' && event.outcome === 'permit' && event.executionId !== null) {
        if (state.has(event.executionId)) throw new StepFailure('a second permit of one execution')
        state.set(event.executionId, 'permitted')
        permitOf.set(event.executionId, index)
      } else if (event.type === 'execution-start') {
        if (state.get(event.executionId) !== 'permitted')
          throw new StepFailure('a START without a permit of its own')
        if (permitOf.get(event.executionId) !== event.decision)
          throw new StepFailure('a START that names another permit')
        await compareSubjects(event, entries, blob)
        state.set(event.executionId, 'started')
        starts++
      } else if (event.type === 'execution-end') {
        const was = state.get(event.executionId)
        if (was === undefined || was === 'ended')
          throw new StepFailure('an END without a permit, or a second one')
        if (!event.confirmedDead) throw new StepFailure('an execution that was not confirmed dead')
        state.set(event.executionId, 'ended')
      }
    })
  }
  const running = [...state.values()].filter(s => s === 'started').length
  return { detail: `${starts} started under a permit, ${starts - running} ended, ${running} still running` }
}

async function compareSubjects(
  start: EventOf<'execution-start'>,
  entries: readonly LogEntry[],
  blob: ReadBlob,
): Promise<void> {
  const permit = entries[start.decision]?.event
  if (permit?.type !== 'decision') throw new StepFailure('a START that names no decision')
  const { terms } = parseRecord(await blob(permit.record))
  const permitted = terms === null ? [] : [terms.program.sha256, ...terms.files.map(file => file.sha256)]
  const same = new Set(start.subjects)
  if (
    permitted.length === 0 ||
    permitted.some(digest => !same.has(digest)) ||
    same.size !== new Set(permitted).size
  ) {
    throw new StepFailure('it started other bytes than were permitted')
  }
}
