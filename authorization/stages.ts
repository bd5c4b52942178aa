import { runStage, type StageChecks } from './check.ts'
import type { Evaluation } from './evaluation.ts'
import type { Reason } from './reason.ts'
import type { Stage } from './record.ts'
import { ARTIFACT_STAGE } from './stages/artifact.ts'
import { INTEGRITY_STAGE } from './stages/integrity.ts'
import { POLICY_STAGE } from './stages/policy.ts'
import { SUBJECTS_STAGE } from './stages/subjects.ts'
import { USE_STAGE } from './stages/use.ts'

/** The way of a request: every check, in order. A stage begins when the one before found nothing. */
export const WAY: readonly StageChecks[] = [
  ARTIFACT_STAGE,
  SUBJECTS_STAGE,
  INTEGRITY_STAGE,
  POLICY_STAGE,
  USE_STAGE,
]

/** The stages as functions that give every reason for which they deny. */
export const STEPS: readonly (readonly [Stage, (evaluation: Evaluation) => Reason[]])[] = WAY.map(stage => [
  stage.stage,
  evaluation => runStage(stage, evaluation),
])
