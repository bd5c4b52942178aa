// Answers outside conformance cases: test/conformance/main.ts --root DIR --cases CASES.jsonl --out ANSWERS.json [--kind KIND]
// The answers come from the same functions that the commands call. A kind that nobody answers is left out, and said.
import { readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { type Answer, type Answerer, type CaseLine, openCase, REFUSAL } from './case.ts'
import { ANSWERERS } from './kinds/index.ts'

const { values } = parseArgs({
  options: {
    root: { type: 'string' },
    cases: { type: 'string' },
    out: { type: 'string' },
    kind: { type: 'string' },
  },
})
const { root, cases, out, kind } = values
if (root === undefined || cases === undefined || out === undefined) {
  console.error(
    'usage: npm run conformance -- --root DIR --cases CASES.jsonl --out ANSWERS.json [--kind KIND]',
  )
  process.exit(2)
}

/** What nobody foresaw in one case is no reason to leave the others unanswered: it is refused, and said. */
async function answerOrRefuse(answer: Answerer, line: CaseLine): Promise<Answer> {
  try {
    return await answer(openCase(root ?? '', line))
  } catch (error) {
    console.error(`${line.path}: ${error instanceof Error ? error.message : error}`)
    return REFUSAL
  }
}

const answers: Record<string, Answer> = {}
const unanswered = new Map<string, number>()
const lines = readFileSync(cases, 'utf8').split('\n').filter(Boolean)
for (const line of lines.map(text => JSON.parse(text) as CaseLine)) {
  if (kind !== undefined && line.kind !== kind) continue
  const answer = ANSWERERS[line.kind]
  if (answer === undefined) unanswered.set(line.kind, (unanswered.get(line.kind) ?? 0) + 1)
  else answers[line.path] = await answerOrRefuse(answer, line)
}
writeFileSync(out, `${JSON.stringify(answers, null, 1)}\n`)
console.log(`${Object.keys(answers).length} cases answered`)
for (const [name, count] of unanswered) console.log(`${count} cases of kind ${name} not answered`)
