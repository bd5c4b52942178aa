// Runs the tests: test/run.ts [FILTER…] [VITEST OPTION…]
// The last line is `N passed, N failed` (and `, N skipped`). The exit status is 0 only when something ran, nothing failed and
// no error went unhandled.
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

/** What is read of vitest's JSON report. */
interface Report {
  numPassedTests: number
  numFailedTests: number
  numPendingTests: number
  numTodoTests: number
  testResults: { status: string; assertionResults: { status: string }[] }[]
}

const root = resolve(import.meta.dirname, '..')
const fixtures = resolve(root, '../shared/fixtures')
if (process.env.WRIT_FIXTURES === undefined && existsSync(fixtures)) process.env.WRIT_FIXTURES = fixtures

const dir = mkdtempSync(join(tmpdir(), 'writ-test-'))
const file = join(dir, 'report.json')
const status = await runVitest(process.argv.slice(2))
const report = readReport()
rmSync(dir, { recursive: true, force: true })

const passed = report?.numPassedTests ?? 0
const skipped = (report?.numPendingTests ?? 0) + (report?.numTodoTests ?? 0)
// A file that cannot be loaded has no test that could fail; an error outside of any test fails none. Both count.
const broken = report?.testResults.filter(
  ({ status, assertionResults }) => status === 'failed' && !assertionResults.some(t => t.status === 'failed'),
)
let failed = (report?.numFailedTests ?? 0) + (broken?.length ?? 0)
if (status !== 0 && failed === 0 && passed > 0) failed = 1
if (passed + failed === 0) console.error('no test ran')
process.exitCode = status === 0 && failed === 0 && passed > 0 ? 0 : 1
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)

/** Exit status of vitest; 1 when a signal ended it. Signals sent to this process are passed on. */
function runVitest(args: readonly string[]): Promise<number> {
  const vitest = join(root, 'node_modules/vitest/vitest.mjs')
  const options = [
    'run',
    '--root',
    root,
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${file}`,
  ]
  const child = spawn(process.execPath, [vitest, ...options, ...args], {
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal))
  return new Promise((done, fail) => {
    child.once('error', fail)
    child.once('exit', code => done(code ?? 1))
  })
}

function readReport(): Report | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return undefined
  }
}
