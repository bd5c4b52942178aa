import { isDeepStrictEqual } from 'node:util'
import { publishedSchemas } from '../../../authorization/published/documents.ts'
import { isValid } from '../../schema/validator.ts'
import { answer, expectedOf } from '../decide.ts'
import { asBytes, bytesOf, type DecisionVector, type DocumentVector, type VectorFile } from '../form.ts'
import { quoteCode } from '../quote-code.ts'
import type { Case, Group } from './case.ts'
import { CHILDREN } from './decisions/children.ts'
import { AUDIENCE, INITIATORS, MINTED, PARENTS, VALIDITY } from './decisions/circumstances.ts'
import { ENVELOPE } from './decisions/envelope.ts'
import { ENVIRONMENT, POLICY } from './decisions/host.ts'
import { SCOPE, SUBJECTS } from './decisions/scope.ts'
import { SIGNATURE, THRESHOLD } from './decisions/signature.ts'
import { SIGNERS } from './decisions/signers.ts'
import { USE } from './decisions/use.ts'
import type { DocumentCase, DocumentGroup } from './documents/cases.ts'
import { JSON_TEXT } from './documents/json-text.ts'
import { jsonValueOf, KINDS, refusedAt } from './documents/kind.ts'
import { OPERATOR } from './documents/operator.ts'
import { STATEMENT } from './documents/statement.ts'
import { ARTIFACTS, EVIDENCE_GIVEN, evidenceVectors, NEGATIVE, RECORDS, SCRIPTS, TREES } from './negative.ts'
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

export const DOCUMENTS: readonly DocumentGroup[] = [STATEMENT, JSON_TEXT, ...OPERATOR]
const schemas = publishedSchemas()

/** One payload; what parser or schema say otherwise than is written goes to `wrong`. */
function document(
  [name, about, bytes, schema = 'same']: DocumentCase,
  { kind, file }: DocumentGroup,
  verdict: 'accepted' | 'refused',
  wrong: string[],
): DocumentVector {
  const payload = Buffer.isBuffer(bytes) ? asBytes(bytes) : bytes
  const refused = refusedAt(kind, bytesOf(payload))
  if ((refused === null) !== (verdict === 'accepted')) wrong.push(`${file}: ${name}: is not ${verdict}`)
  const value = jsonValueOf(bytesOf(payload))
  const takes = value === undefined || isValid(schemas.get(KINDS[kind].schema) ?? {}, value)
  const sees = value !== undefined && takes === (verdict === 'accepted')
  if (value !== undefined && sees !== (schema === 'same'))
    wrong.push(`${file}: ${name}: the schema ${takes ? 'takes' : 'refuses'} it`)
  const at = refused?.at === undefined ? {} : { at: refused.at }
  return { name, about, payload, expect: verdict, schema: value === undefined ? 'cannot say' : schema, ...at }
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
  for (const group of DOCUMENTS) {
    const vectors = [
      ...group.accepted.map(item => document(item, group, 'accepted', wrong)),
      ...group.refused.map(item => document(item, group, 'refused', wrong)),
    ]
    out.set(`${KINDS[group.kind].path}/${group.file}.json`, file(group.description, vectors))
  }
  const negative = (name: string, description: string, rest: object) =>
    out.set(`negative/${name}.json`, `${JSON.stringify({ description, ...rest }, null, 1)}\n`)
  const attacks = NEGATIVE.cases.map(item => decision(item, wrong))
  negative(NEGATIVE.file, NEGATIVE.description, { vectors: attacks })
  const vectors = evidenceVectors(quoteCode)
  negative('evidence', 'Quotes, of the enrolled key and others.', { given: EVIDENCE_GIVEN, vectors })
  negative('records', 'Decisions as a log claims them.', { vectors: RECORDS })
  negative('tree', 'Entries of a log under the root that somebody keeps.', { vectors: TREES })
  negative('scripts', 'What is done to one host, step by step.', { artifacts: ARTIFACTS, vectors: SCRIPTS })
  if (wrong.length > 0) throw new Error(wrong.join('\n'))
  return out
}
