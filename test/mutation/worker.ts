import { pathToFileURL } from 'node:url'
import { Coverage } from './coverage.ts'
import { addressOf, install, ROOT } from './loader.ts'
import type { Fate, Mutant } from './mutant.ts'
import type { Answer, Question, TestFile } from './protocol.ts'
import { runTests } from './suite.ts'
import { collect } from './vitest.ts'

/** Runs tests without a mutant, or mutants one after the other, as the process that started it says. */

install()
const top = pathToFileURL(`${ROOT}/`).href
let generation = 0
/** A promise that nobody waits for is a failure of whatever runs. */
let stray: unknown
process.on('unhandledRejection', error => {
  stray = error
})
process.on('uncaughtException', error => {
  stray = error
})

function fileOf(url: string): string {
  return url.slice(top.length).replace(/\?.*$/, '')
}

/** Which of the mutants each test runs, and what runs while the file is loaded. */
async function survey(files: readonly string[], mutants: readonly Mutant[]): Promise<TestFile[]> {
  const coverage = new Coverage()
  const byFile = Map.groupBy(mutants.entries(), ([, { file }]) => file)
  const reached = (): number[] => {
    const taken = coverage.take(url => url.startsWith(top) && byFile.has(fileOf(url)))
    return [...taken].flatMap(([url, ran]) =>
      (byFile.get(fileOf(url)) ?? []).filter(([, mutant]) => ran(mutant.reached)).map(([i]) => i),
    )
  }
  const out: TestFile[] = []
  for (const file of files) {
    generation += 1
    const address = addressOf(file, `${generation}`, null)
    const tests = await collect(() => import(address))
    const loaded = reached()
    const covered: { ms: number; mutants: number[] }[] = tests.map(() => ({ ms: 0, mutants: [] }))
    let begun = performance.now()
    const failed = await runTests(
      tests,
      () => true,
      position => {
        const ms = performance.now() - begun
        covered[position] = { ms, mutants: reached() }
        begun = performance.now()
      },
    )
    // Nothing can be learnt from a test that fails anyway; the others are enough to begin with.
    const failing = failed === null ? null : `${failed.name}: ${failed.error}`
    out.push({ file, failing, loaded, tests: failed === null ? covered : [] })
  }
  return out
}

async function tryMutant(
  mutant: Mutant,
  files: readonly { file: string; tests: readonly number[] }[],
): Promise<Fate> {
  generation += 1
  let count = 0
  for (const { file, tests } of files) {
    stray = undefined
    const wanted = new Set(tests)
    const address = addressOf(file, `${generation}`, mutant)
    let collected: Awaited<ReturnType<typeof collect>>
    try {
      collected = await collect(() => import(address))
    } catch {
      return { kind: 'killed', file, by: 'what it imports cannot be loaded' }
    }
    const failed = await runTests(collected, position => wanted.has(position))
    if (failed !== null) return { kind: 'killed', file, by: failed.name }
    await new Promise(resolve => setImmediate(resolve))
    if (stray !== undefined) return { kind: 'killed', file, by: 'an error that nobody caught' }
    count += wanted.size
  }
  return { kind: 'survived', tests: count }
}

async function answer(question: Question): Promise<Answer> {
  if (question.ask === 'survey') return { survey: await survey(question.files, question.mutants) }
  return { fate: await tryMutant(question.mutant, question.files) }
}

// Whoever started it is gone.
process.on('disconnect', () => process.exit(1))
process.on('message', (question: Question) => {
  answer(question).then(
    found => process.send?.(found),
    error =>
      process.send?.({ error: error instanceof Error ? `${error.message}: ${error.cause}` : String(error) }),
  )
})
