import { isDeepStrictEqual } from 'node:util'
import { answer, expectedOf } from '../decide.ts'
import type { DecisionVector, VectorFile } from '../form.ts'
import type { Case, Group } from './case.ts'
import { AUDIENCE, INITIATORS, MINTED, PARENTS, VALIDITY } from './decisions/circumstances.ts'
import { ENVELOPE } from './decisions/envelope.ts'
import { ENVIRONMENT, POLICY, USE } from './decisions/host.ts'
import { CHILDREN, SCOPE, SUBJECTS } from './decisions/scope.ts'
import { SIGNATURE, THRESHOLD } from './decisions/signature.ts'
import { SIGNERS } from './decisions/signers.ts'
import { defaults } from './world.ts'

export const DECISIONS: readonly Group[] = [
  ENVELOPE,
  SIGNATURE,
  THRESHOLD,
  SIGNERS,
  VALIDITY,
  AUDIENCE,
  INITIATORS,
  PARENTS,
  MINTED,
  SUBJECTS,
  SCOPE,
  CHILDREN,
  ENVIRONMENT,
  POLICY,
  USE,
]

/** One vector with the places that the code names; what the code decides otherwise than is written goes to `wrong`. */
function decision([name, about, given, verdict]: Case, wrong: string[]): DecisionVector {
  const expect = expectedOf(answer({ ...defaults, ...given }))
  const [stage, ...codes] = verdict === 'permit' ? [null] : verdict
  const found = [expect.stage, ...expect.reasons.map(({ code }) => code)]
  if (!isDeepStrictEqual(found, [stage, ...codes]))
    wrong.push(`${name}: expected ${[stage, ...codes].join(' ')}, decided ${found.join(' ')}`)
  return { name, about, given, expect }
}

function file<T>(description: string, vectors: readonly T[]): string {
  const content: VectorFile<T> = { description, vectors }
  return `${JSON.stringify(content, null, 1)}\n`
}

/** All files, by their path below test/vectors. @throws Error when the code does not do what is written */
export function generated(): Map<string, string> {
  const out = new Map<string, string>()
  const wrong: string[] = []
  out.set('artifact/defaults.json', `${JSON.stringify(defaults, null, 1)}\n`)
  for (const { file: name, description, cases } of DECISIONS)
    out.set(
      `artifact/${name}.json`,
      file(
        description,
        cases.map(item => decision(item, wrong)),
      ),
    )
  if (wrong.length > 0) throw new Error(wrong.join('\n'))
  return out
}
