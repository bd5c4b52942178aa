import { CLOCK_TOLERANCE_MS, type DecisionRecord, RevocationSet } from '../../authorization/index.ts'
import type { LogState } from './log-state.ts'
import { type EventOf, type LogEntry, StepFailure } from './steps.ts'
import { RECORDED_MS } from './timeline.ts'

type Decision = EventOf<'decision'> | EventOf<'renewal'>
type Inputs = NonNullable<DecisionRecord['inputs']>

/** Two instants, each cut to milliseconds. */
const ROUNDING_MS = 2
/** What rounding and slewing may take off an age that two clocks measure. */
const AGE_TOLERANCE_MS = 250

/**
 * What a decision says it rested on is what the log says was so when it was made. The inputs of a permit are the newest before its
 * entry, or those before a change that came no sooner than the permit looked (`clock.now`): less than
 * {@link IN_FORCE_MS} before for documents, which count once they are synced; not before for the gate, which moves first and is
 * recorded then.
 *
 * @param state the fold of all entries before the decision
 * @throws StepFailure
 */
export function checkGrounds(
  { index, event }: { readonly index: number; readonly event: Decision },
  record: DecisionRecord,
  state: LogState,
  entries: readonly LogEntry[],
  hostId: string | null,
): void {
  const { inputs } = record
  if (inputs === null) return
  const lookedMs = Date.parse(inputs.clock.now)
  if (hostId !== null && inputs.host.id !== hostId) throw new StepFailure('it is for another host')
  checkClock(event, inputs, state, lookedMs)
  checkDocuments(inputs, state, lookedMs)
  if (state.run === null) throw new StepFailure('it was made before the daemon started')
  if (inputs.minting.sessionKeySpki !== state.run.sessionKeySpki)
    throw new StepFailure('it knows another session key than the run has')
  checkConfiguration(inputs, state, lookedMs)
  if (record.outcome === 'permit') checkEvidence(index, event, inputs, state, lookedMs, entries)
  checkGate(inputs, state, lookedMs)
}

/** The time that validity was judged by is that of the entry, and goes on from the entries before it. */
function checkClock(event: Decision, { clock }: Inputs, state: LogState, lookedMs: number): void {
  const ms = Date.parse(event.time)
  if (lookedMs > ms + CLOCK_TOLERANCE_MS || lookedMs < ms - RECORDED_MS)
    throw new StepFailure(`it was made at ${clock.now} and recorded at ${event.time}`)
  if (!clock.trusted) return
  if (!state.clockTrusted.seenAt(lookedMs).includes(true))
    throw new StepFailure('its clock was relied on, and the log says that it could not be')
  const bootMs = Number(BigInt(event.bootNs) / 1_000_000n) - (ms - lookedMs)
  const fault = state.clock.judge(
    { wallMs: lookedMs, bootMs, suspendedMs: 0 },
    CLOCK_TOLERANCE_MS + RECORDED_MS,
  )
  if (fault !== null) throw new StepFailure(`its clock was relied on, and ${fault}`)
}

function checkDocuments(inputs: Inputs, state: LogState, lookedMs: number): void {
  for (const [type, digest, line] of [
    ['trust-roots', inputs.trustRoots, state.trustRoots],
    ['policy', inputs.policy, state.policy],
    ['host-labels', inputs.hostLabels, state.hostLabels],
  ] as const) {
    if (line.seenAt(lookedMs).includes(digest)) continue
    throw new StepFailure(
      `it rests on a document (${type}) that the log had not put in force, or had replaced`,
    )
  }
  const revocations = state.revocations.seenAt(lookedMs)
  if (!revocations.some(({ digest }) => digest === inputs.revocations)) {
    const { epoch } = revocations[0] ?? RevocationSet.empty
    throw new StepFailure(`it does not know the revocations in force, which are those up to epoch ${epoch}`)
  }
  if (inputs.uses === null) return
  const { uncleanSince } = inputs.uses
  const inDoubt = (since: string | null) =>
    // More doubt than the log has only denies: uses that are not kept any longer count as possibly lost.
    since === null || (uncleanSince !== null && uncleanSince >= since)
  if (!state.unclean.seenAt(lookedMs).some(inDoubt))
    throw new StepFailure('it does not know of the unclean stop after which uses may be missing')
}

/** Whether artifacts could be minted, and how long evidence counts, is as the configuration in force had it. */
function checkConfiguration({ minting, gate }: Inputs, state: LogState, lookedMs: number): void {
  const { evidenceAgeMs, deadlineInMs } = gate
  const fits = state.config.seenAt(lookedMs).some(config => {
    if (config === null || config.minting !== minting.enabled) return false
    // Of evidence that is too old there is no deadline left that would show it.
    if (gate.state !== 'ATTESTED' || evidenceAgeMs === null || !deadlineInMs) return true
    return Math.abs(evidenceAgeMs + deadlineInMs - config.maxEvidenceAgeMs) <= ROUNDING_MS
  })
  if (!fits) throw new StepFailure('it knows another configuration than the one in force')
}

/** The appraisal that a permit names is one of this run, good, and as old as the permit says. */
function checkEvidence(
  index: number,
  event: Decision,
  { gate }: Inputs,
  state: LogState,
  lookedMs: number,
  entries: readonly LogEntry[],
): void {
  const at = gate.appraisalIndex === null ? index : Number(gate.appraisalIndex)
  const appraisal = at < index ? entries[at]?.event : undefined
  if (appraisal?.type !== 'appraisal' || appraisal.verdict === 'fail')
    throw new StepFailure('it rests on no good appraisal of the host')
  if (appraisal.binding.referenceValuesDigest !== gate.referenceValuesDigest)
    throw new StepFailure('its appraisal was by other reference values')
  // The quote was asked for before its appraisal was recorded, so the evidence is at least as old as the entry.
  const lookedBootMs = Number(BigInt(event.bootNs) / 1_000_000n) - (Date.parse(event.time) - lookedMs)
  const least = lookedBootMs - Number(BigInt(appraisal.bootNs) / 1_000_000n)
  if (gate.evidenceAgeMs === null || gate.evidenceAgeMs < least - AGE_TOLERANCE_MS)
    throw new StepFailure(`its evidence was at least ${least} ms old, it says ${gate.evidenceAgeMs} ms`)
  if (gate.tier !== state.run?.tier) throw new StepFailure('it says another kind of TPM than the run has')
  const opened = state.gate.seenAt(lookedMs).filter(({ state }) => state === 'ATTESTED')
  if (opened.length === 0) throw new StepFailure(`the gate was ${state.gate.newest.state}`)
  const fits = opened.some(({ opening }) => {
    const first = opening === null ? undefined : entries[opening]?.event
    return (
      opening !== null &&
      opening <= at &&
      first?.type === 'appraisal' &&
      first.binding.referenceValuesDigest === gate.referenceValuesDigest
    )
  })
  if (!fits) throw new StepFailure('its appraisal is not of the time since the gate opened')
}

/** The gate was as the record says. */
function checkGate({ gate }: Inputs, state: LogState, lookedMs: number): void {
  const fits = state.gate
    .seenAt(lookedMs)
    .some(seen => seen.state === gate.state && (seen.epoch === null || seen.epoch === gate.epoch))
  if (fits) return
  const { state: now, epoch } = state.gate.newest
  throw new StepFailure(`the gate was ${now} in epoch ${epoch}, it says ${gate.state} in epoch ${gate.epoch}`)
}
