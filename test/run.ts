// Runs the tests: test/run.ts [FILTER…] [VITEST OPTION…]
// The last line is `N passed, N failed` (and `, N skipped`). The exit status is 0 only when something ran, nothing failed and
// no error went unhandled.
//
// Many tests run whole hosts against real deadlines, and a machine that is busy with something else can miss one. So the files in
// which something failed run once more, alone: what fails twice has failed; what passed then is named as unsteady.
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative, resolve } from 'node:path'

/** What is read of vitest's JSON report, for one file. */
interface FileReport {
  name: string
  status: string
  message: string
  assertionResults: { status: string; fullName: string; failureMessages: string[] | null }[]
}

/** Of one file: how many passed, failed and were skipped, and a line for each failure. */
interface Outcome {
  passed: number
  failed: number
  skipped: number
  failures: string[]
}

/** More files than these are no matter of a busy machine. */
const UNSTEADY_FILES = 5

const root = resolve(import.meta.dirname, '..')
const fixtures = resolve(root, '../shared/fixtures')
if (process.env.WRIT_FIXTURES === undefined && existsSync(fixtures)) process.env.WRIT_FIXTURES = fixtures

let ended = false
const args = process.argv.slice(2)
const first = await run(args)
const { files, unhandled } = first
let { status } = first
const again = [...files].filter(([, { failed }]) => failed > 0).map(([file]) => file)
if (!ended && again.length > 0 && again.length <= UNSTEADY_FILES) {
  print(files)
  console.log(`\ntests: once more, alone: ${again.join(' ')}\n`)
  const options = args.filter(arg => arg.startsWith('-'))
  const second = await run([...again, ...options, '--maxWorkers=1'])
  // A file that is not in the second report did not pass in it.
  for (const file of again) {
    const outcome = second.files.get(file)
    if (outcome === undefined) continue
    if (outcome.failed === 0) console.log(`tests: unsteady: ${file} failed, and passed alone`)
    files.set(file, outcome)
  }
  status = unhandled > 0 ? first.status : second.status
}
const sum = (of: 'passed' | 'failed' | 'skipped') => [...files.values()].reduce((n, file) => n + file[of], 0)
const [passed, skipped] = [sum('passed'), sum('skipped')]
// An error outside of any test fails none, and counts.
const failed = sum('failed') || (status !== 0 && passed > 0 ? 1 : 0)
print(files)
if (passed + failed === 0) console.error('no test ran')
process.exitCode = status === 0 && failed === 0 && passed > 0 ? 0 : 1
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)

/** One line for each failure, so that the end of a long output says what failed. */
function print(files: ReadonlyMap<string, Outcome>): void {
  for (const [file, { failures }] of files)
    for (const failure of failures) console.log(`tests: failed: ${file}: ${failure}`)
}

/** What vitest came to: its exit status (1 when a signal ended it), the outcome of each file by its path, errors outside of any test. */
interface Run {
  status: number
  files: Map<string, Outcome>
  unhandled: number
}

async function run(args: readonly string[]): Promise<Run> {
  const dir = mkdtempSync(join(tmpdir(), 'writ-test-'))
  const report = join(dir, 'report.json')
  const vitest = join(root, 'node_modules/vitest/vitest.mjs')
  const reporters = ['default', 'json', join(import.meta.dirname, 'unhandled-errors.ts')]
  const options = [...reporters.map(name => `--reporter=${name}`), `--outputFile.json=${report}`]
  const errors = join(dir, 'unhandled')
  const child = spawn(process.execPath, [vitest, 'run', '--root', root, ...options, ...args], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, WRIT_UNHANDLED_ERRORS: errors },
  })
  // Passed on to vitest, which ends its workers.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => {
      ended = true
      child.kill(signal)
    })
  const status = await new Promise<number>((done, fail) => {
    child.once('error', fail)
    child.once('exit', code => done(code ?? 1))
  })
  const files = new Map(readReport(report).map(file => [relative(root, file.name), outcomeOf(file)]))
  const unhandled = existsSync(errors) ? Number(readFileSync(errors, 'utf8')) : 0
  rmSync(dir, { recursive: true, force: true })
  return { status, files, unhandled }
}

function outcomeOf({ status, message, assertionResults }: FileReport): Outcome {
  const count = (wanted: (status: string) => boolean) =>
    assertionResults.filter(result => wanted(result.status)).length
  const failures = assertionResults
    .filter(result => result.status === 'failed')
    .map(({ fullName, failureMessages }) => `${fullName}: ${firstLine(failureMessages?.[0] ?? '')}`)
  // A file that cannot be loaded, or whose set-up failed, has no test that failed. It counts.
  if (status === 'failed' && failures.length === 0) failures.push(firstLine(message))
  return {
    passed: count(status => status === 'passed'),
    failed: failures.length,
    skipped: count(status => status !== 'passed' && status !== 'failed'),
    failures,
  }
}

function firstLine(message: string): string {
  return (message.split('\n', 1)[0] ?? '').slice(0, 400)
}

function readReport(path: string): FileReport[] {
  try {
    return (JSON.parse(readFileSync(path, 'utf8')) as { testResults: FileReport[] }).testResults
  } catch {
    return []
  }
}
