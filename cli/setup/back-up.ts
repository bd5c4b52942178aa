import { existsSync } from 'node:fs'
import { keyFiles } from '../key-files.ts'
import { credentialsPlace } from '../state-directory.ts'
import type { Answers } from './answers.ts'
import { setupFiles } from './files.ts'
import { statePlaces } from './steps/identity.ts'

/** What somebody who answers for the host should keep elsewhere, as far as it is there. */
export function whatToBackUp(answers: Answers): string[] {
  const files = setupFiles(answers)
  const { state_directory, etc } = answers.places
  const secret = [files.operator, files.release]
    .map(name => keyFiles(name).private)
    .filter(file => existsSync(file))
  const credentials = credentialsPlace(statePlaces(answers))
  return [
    ...secret.map(file => `${file}: move it to where it is used, and leave no copy here`),
    ...(existsSync(files.config) ? [`${etc}: configuration and signed documents`] : []),
    ...(credentials !== null && existsSync(credentials)
      ? [`${credentials}: the host's secrets, for this TPM alone`]
      : []),
    ...(existsSync(state_directory)
      ? [
          `${state_directory}/identity: which host this is`,
          `the lineage, again and again: writ lineage export DIRECTORY, and the same with --onto`,
        ]
      : []),
  ]
}
