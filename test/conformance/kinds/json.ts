import { dirname, join } from 'node:path'
import { askCedar, type PlainQuestion } from '../../../authorization/index.ts'
import { EncodingError } from '../../../encoding/error.ts'
import { checkJsonText } from '../../../encoding/json.ts'
import type { Answer, Answerer, ConformanceCase } from '../case.ts'

/** A file of the Cedar project's integration tests: its own paths start at the folder that `tests` is in. */
interface CedarCase {
  readonly policies: string
  readonly entities: string
  readonly schema: string
  readonly requests: readonly Pick<PlainQuestion, 'principal' | 'action' | 'resource' | 'context'>[]
}

function decide(given: ConformanceCase): Answer {
  const { policies, entities, schema, requests } = JSON.parse(given.bytes.toString()) as CedarCase
  const text = (path: string) =>
    given.readFromRoot(join(dirname(given.path).replace(/\/tests\/.*$/, ''), path)).toString()
  return {
    decisions: requests.map(({ principal, action, resource, context }) => {
      const answer = askCedar({
        ...{ principal, action, resource, context },
        policies: text(policies),
        schema: text(schema),
        entities: JSON.parse(text(entities)),
      })
      return answer.type === 'answer' && answer.allow ? 'allow' : 'deny'
    }),
  }
}

/** Whether a text is JSON, or what policies decide. */
export const answerJson: Answerer = given => {
  if (given.path.includes('/cedar/')) return decide(given)
  try {
    checkJsonText(given.bytes)
    return { json: 'accept' }
  } catch (error) {
    if (error instanceof EncodingError) return { json: 'reject' }
    throw error
  }
}
