import type { Checkpoint } from '../../lineage/index.ts'
import { checkQuote } from '../verify/appraisals.ts'
import { checkGrounds } from '../verify/grounds.ts'
import { LogState } from '../verify/log-state.ts'
import type { PropertyResult } from '../verify/property.ts'
import { property, StepFailure } from '../verify/steps.ts'
import type { VerifyTrust } from '../verify/verify.ts'
import type { FoundEvidence } from './evidence.ts'
import type { FoundRequest } from './find.ts'
import type { Recorded } from './recorded.ts'
import { type OpenedSource, Unseen } from './source.ts'

/** What the decision rested on is what the log says was so: folded from the whole log, so from a bundle alone. */
export function checkGroundsOf(
  { source, log, ak }: OpenedSource,
  { decision }: FoundRequest,
  { again }: Recorded,
  { operators }: VerifyTrust,
): Promise<PropertyResult> {
  return property(
    'grounds of the decision',
    async () => {
      if (source.where === 'daemon')
        return { notChecked: 'it takes the whole log: `writ lineage export`, then --bundle' }
      if (again === null) return { notChecked: 'the decision could not be evaluated again' }
      if (operators.length === 0) return { notChecked: "no operator's key was given (--operator-key)" }
      if (log === null) throw new StepFailure('the log could not be read as a whole')
      const hostId = ak?.name.toString('hex') ?? null
      const state = new LogState(operators, digest => source.blob(decision.event, digest), hostId)
      for (const entry of log.slice(0, decision.index)) await state.apply(entry)
      checkGrounds(decision, again.record, state, log, hostId)
      return { detail: 'clock, documents, revocations, gate and evidence are those that the log had then' }
    },
    operators.length > 0 && source.where === 'bundle',
  )
}

/** The quote that the gate stood on is the attestation key's, and bound to the history that the checkpoint goes on from. */
export function checkQuoteOf(
  { source, ak }: OpenedSource,
  evidence: FoundEvidence | null,
  checkpoint: Checkpoint | null,
): Promise<PropertyResult> {
  return property(
    'quote of the evidence',
    async () => {
      const appraisal = evidence?.appraisal?.event
      if (evidence !== null && evidence.entry === null) return { notChecked: 'no evidence counted' }
      if (appraisal === undefined) return { notChecked: 'the appraisal is not yours to see' }
      if (ak === null) return { notChecked: 'nothing that you gave vouches for the attestation key' }
      if (checkpoint === null) return { notChecked: 'there is no checkpoint' }
      const { treeSize, lineageRoot } = appraisal.binding
      try {
        await checkQuote(appraisal, ak, digest => source.blob(appraisal, digest))
      } catch (error) {
        if (error instanceof Unseen) return { notChecked: error.message }
        throw error
      }
      const head = { size: treeSize, root: Buffer.from(lineageRoot, 'hex') }
      if (!(await source.goesOnFrom(head, checkpoint)))
        throw new StepFailure('it is bound to another history')
      return {
        detail: `over PCR 0 to 15 and the ${treeSize} entries before it; \`writ verify\` appraises it again`,
      }
    },
    ak !== null && evidence?.entry != null,
  )
}
