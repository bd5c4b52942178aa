import {
  type DecisionRecord,
  type Explanation,
  parseRecord,
  parseStatement,
  Reevaluator,
  type Statement,
} from '../../authorization/index.ts'
import { WritError } from '../../encoding/error.ts'
import { parseEnvelope } from '../../signing/dsse.ts'
import { checkInline, compareWithEntry } from '../verify/decisions.ts'
import type { PropertyResult } from '../verify/property.ts'
import { type NotLookedAt, property, StepFailure } from '../verify/steps.ts'
import type { VerifyTrust } from '../verify/verify.ts'
import type { FoundRequest } from './find.ts'
import { type RequestSource, Unseen } from './source.ts'

/** What is known of a decision beside its entry. */
export interface Recorded {
  /** What was written down of it; null when it may not be seen or cannot be read. */
  readonly record: DecisionRecord | null
  /** The decision made again; null when something that it rests on may not be seen or does not hold. */
  readonly again: Explanation | null
  /** What the artifact says, vouched for only as far as the decision made again says so. */
  readonly statement: Statement | null
  /** Why it was not made again; null when it was. */
  readonly missing: string | null
  readonly properties: readonly PropertyResult[]
}

/** Decides a recorded decision again, to the same bytes and as the entry has it. */
export async function decideAgain(
  source: RequestSource,
  { decision: { event } }: FoundRequest,
  { operators }: VerifyTrust,
): Promise<Recorded> {
  const governance = operators.length > 0 ? operators : null
  const blob = (digest: string) => source.blob(event, digest)
  let record: DecisionRecord | null = null
  let again: Explanation | null = null
  const same = await property(
    'decision evaluated again',
    () =>
      unlessUnseen(async () => {
        const bytes = await blob(event.record)
        record = parseRecord(bytes)
        again = await new Reevaluator(blob, { governance }).explain(bytes)
        if (!again.same) throw new StepFailure('evaluated again, the decision is another one')
        compareWithEntry(event, again.record)
        checkInline(event, again.record)
        return { detail: 'the recorded inputs lead to the recorded bytes, and the entry says the same' }
      }),
    false,
  )
  const documents = await property(
    'documents signed by the operator',
    () => {
      if (governance === null) return { notChecked: "no operator's key was given (--operator-key)" }
      if (again === null) return { notChecked: 'the decision could not be evaluated again' }
      return { detail: 'trust roots, policy and revocations of this decision' }
    },
    governance !== null,
  )
  const found = again as Explanation | null
  return {
    ...{ record, again, properties: [same, documents] },
    statement: found === null ? await statementOf(record, blob) : found.statement,
    missing: found === null ? same.detail : null,
  }
}

/** A step that may come upon something that is not for this caller to see. */
async function unlessUnseen<T>(step: () => Promise<T>): Promise<T | NotLookedAt> {
  try {
    return await step()
  } catch (error) {
    // What a blob was missing for lies below the error that says so.
    for (let e = error; e instanceof Error; e = e.cause) {
      if (e instanceof Unseen) return { notChecked: e.message }
    }
    throw error
  }
}

/** What the artifact of a record says, if it is at hand and is one. */
async function statementOf(
  record: DecisionRecord | null,
  blob: (digest: string) => Promise<Buffer>,
): Promise<Statement | null> {
  const digest = record?.inputs?.artifact?.digest
  if (digest === undefined) return null
  try {
    return parseStatement(parseEnvelope(await blob(digest)).payload)
  } catch (error) {
    if (error instanceof WritError) return null
    throw error
  }
}
