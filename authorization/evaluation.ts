import { type OpenedArtifact, openArtifact, type SentArtifact } from './artifact.ts'
import type { DecisionInput } from './input.ts'
import { subjectsToMint } from './mint-terms.ts'
import type { PolicyAnswer } from './policy/answer-cache.ts'
import type { ObservedSubject } from './request.ts'
import { type Resolution, type SubjectToOpen, subjectsToOpen } from './scope.ts'
import type { LaunchTerms } from './terms.ts'
import type { UseClaim, UseView } from './uses.ts'

/** One decision on its way. The stages fill in what the later ones and the record need. */
export interface Evaluation {
  readonly input: Omit<DecisionInput, 'artifact'>
  readonly sent: SentArtifact | null
  readonly observed: readonly ObservedSubject[] | null
  readonly opened: OpenedArtifact
  /** What the scope makes of the request; from the stage `subjects` on. */
  resolution: Resolution | null
  /** Only once every subject was found as signed, and the request fits the scope. */
  terms: LaunchTerms | null
  /** What Cedar said; null before it was asked. */
  answer: PolicyAnswer | null
  /** What a permit would consume, if it consumes anything. */
  claim: UseClaim | null
  use: UseClaim | null
  view: UseView | null
}

/** Begins an evaluation by opening the artifact, or with one that was opened before under the same roots. */
export function begin(
  input: Evaluation['input'],
  sent: SentArtifact | null,
  observed: readonly ObservedSubject[] | null,
  opened: OpenedArtifact = openArtifact(sent, input),
): Evaluation {
  const nothing = { resolution: null, terms: null, answer: null, claim: null, use: null, view: null }
  return { input, sent, observed, opened, ...nothing }
}

/** Whether the request asks for an artifact instead of bringing one. */
export function asksToMint({ input, sent }: Pick<Evaluation, 'input' | 'sent'>): boolean {
  return sent === null && input.request.operation === 'authorize' && input.minting.enabled
}

/** What has to be opened and hashed before the second stage. */
export function toOpen({ opened, input }: Evaluation): SubjectToOpen[] {
  if (opened.statement === null) return subjectsToMint(input.request)
  return subjectsToOpen(opened.statement, input.request)
}
