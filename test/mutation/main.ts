import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { reasonOf, staleEquivalents } from './equivalent.ts'
import { ROOT } from './loader.ts'
import type { Mutant } from './mutant.ts'
import { mutantsOf } from './mutants.ts'
import type { TestFile } from './protocol.ts'
import { roomOf, VERIFYING } from './rooms.ts'
import { Trial } from './trial.ts'

const USAGE = `usage: npm run mutate -- [--file FILE]... [--line N] [--every N] [--test FILE]... [--list] [--verbose]

  --file FILE   only mutants of this file (default: all files that verify)
  --line N      only mutants of this line
  --every N     only each Nth mutant
  --test FILE   run only these tests (default: all of the file's room)
  --list        show the mutants, try none
  --verbose     show also what killed a mutant

The exit status is 0 when no mutant survived but those that are listed as equivalent, and that list names nothing else.`

const { values } = parseArgs({
  options: {
    file: { type: 'string', multiple: true },
    line: { type: 'string' },
    every: { type: 'string', default: '1' },
    test: { type: 'string', multiple: true },
    list: { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

/** All tests of a room take some seconds, and more on a machine that has other things to do. */
const SECOND_MS = 300_000

/** How many mutants of one file each file of tests has killed so far. */
type Kills = Map<string, number>

/** Which tests to run for a mutant: those first that killed the most of the same file, then those that are done soonest. */
function plan(survey: readonly TestFile[], position: number, kills: Kills) {
  return survey
    .map(({ file, loaded, tests }) => {
      const all = loaded.includes(position)
      const wanted = [...tests.entries()].filter(([, test]) => all || test.mutants.includes(position))
      return { file, tests: wanted.map(([i]) => i), ms: wanted.reduce((sum, [, test]) => sum + test.ms, 0) }
    })
    .filter(({ tests }) => tests.length > 0)
    .sort((a, b) => (kills.get(b.file) ?? 0) - (kills.get(a.file) ?? 0) || a.ms - b.ms)
    .map(({ file, tests }) => ({ file, tests }))
}

/**
 * All tests of the files that run any of the code. The engine's counts miss a function now and then, so that a test that would notice is
 * not asked: nothing is said to survive before all of these were.
 */
function planAll(survey: readonly TestFile[]) {
  return survey
    .filter(({ loaded, tests }) => loaded.length > 0 || tests.some(({ mutants }) => mutants.length > 0))
    .map(({ file, tests }) => ({ file, tests: [...tests.keys()] }))
}

function say(mutant: Mutant, what: string): void {
  process.stdout.write(`${mutant.file}:${mutant.line}  ${mutant.change}\n    ${what}\n`)
}

async function main(): Promise<number> {
  if (values.help) {
    process.stdout.write(`${USAGE}\n`)
    return 0
  }
  const files = values.file ?? VERIFYING
  const all = files.flatMap(file => mutantsOf(file, readFileSync(join(ROOT, file), 'utf8')))
  const stale = staleEquivalents(all, files)
  for (const name of stale) process.stdout.write(`listed as equivalent, and no mutant at all: ${name}\n`)
  const mutants = all.filter(
    (mutant, i) =>
      i % Number(values.every) === 0 && (values.line === undefined || mutant.line === Number(values.line)),
  )
  if (values.list) {
    for (const mutant of mutants) process.stdout.write(`${mutant.file}:${mutant.line}  ${mutant.change}\n`)
    return 0
  }
  const begun = performance.now()
  const trial = new Trial()
  const count = { killed: 0, hung: 0, equivalent: 0, survived: 0, uncovered: 0 }
  try {
    for (const [tests, group] of Map.groupBy(mutants, ({ file }) => values.test ?? roomOf(file))) {
      const survey = await trial.survey(tests, group)
      for (const { file, failing } of survey) {
        if (failing !== null)
          process.stdout.write(`${file} fails without a mutant and is left out: ${failing}\n`)
      }
      const killers = new Map<string, Kills>()
      for (const [position, mutant] of group.entries()) {
        const why = reasonOf(mutant)
        if (why !== null) {
          count.equivalent += 1
          if (values.verbose) say(mutant, `equivalent: ${why}`)
          continue
        }
        const kills = killers.get(mutant.file) ?? new Map<string, number>()
        killers.set(mutant.file, kills)
        const first = await trial.try(mutant, plan(survey, position, kills))
        const fate =
          first.kind === 'survived' || first.kind === 'uncovered'
            ? await trial.try(mutant, planAll(survey), SECOND_MS)
            : first
        count[fate.kind] += 1
        if (fate.kind === 'killed') kills.set(fate.file, (kills.get(fate.file) ?? 0) + 1)
        if (fate.kind === 'survived') say(mutant, `SURVIVED ${fate.tests} tests`)
        else if (fate.kind === 'uncovered') say(mutant, 'SURVIVED: no test runs it')
        else if (values.verbose)
          say(mutant, fate.kind === 'killed' ? `killed by ${fate.file}: ${fate.by}` : 'never ends')
      }
    }
  } finally {
    trial.end()
  }
  const { killed, hung, equivalent, survived, uncovered } = count
  const seconds = Math.round((performance.now() - begun) / 1000)
  process.stdout.write(
    `${mutants.length} mutants in ${seconds} s: ${killed} killed, ${hung} never end, ${equivalent} equivalent, ${survived + uncovered} survived (${uncovered} of them run by no test)\n`,
  )
  return survived + uncovered + stale.length === 0 ? 0 : 1
}

process.exitCode = await main()
