import { join } from 'node:path'
import { liveProbes } from '../../cli/probe/index.ts'
import { completeAnswers, type GivenAnswers } from '../../cli/setup/answers.ts'
import { Authority } from '../../cli/setup/authority.ts'
import { setupFiles } from '../../cli/setup/files.ts'
import type { StepContext } from '../../cli/setup/step.ts'

/** What a step of the setup is told where all is in one directory, and nobody can be asked. */
export function contextIn(
  etc: string,
  given: GivenAnswers = {},
  stage: StepContext['stage'] = 'all',
): StepContext {
  const answers = completeAnswers({ ...given, places: { etc, ...given.places } })
  const files = setupFiles(answers)
  return {
    answers,
    stage,
    files,
    authority: new Authority(answers, files, null),
    probes: liveProbes({ tpm: answers.tpm.where, socket: join(etc, 'none'), root: etc }),
    changed: new Set(),
  }
}
