import { join } from 'node:path'
import { buildClassifier } from '../classifier/build.ts'
import { DemoError, run } from '../processes.ts'
import type { Screen } from '../screen.ts'
import { USERS } from '../workspace.ts'
import { writ, writJson } from '../writ.ts'
import type { Site } from './serve.ts'

/** A program, its weights, and digits for it to read. */
export interface Workload {
  readonly program: string
  readonly weights: string
  readonly digits: string
  /** Issues an artifact for an inference; `more` overrides. */
  issue(name: string, more?: IssueChange): Promise<string>
  /** Runs an inference under an artifact, as the demo's caller. */
  run(options: {
    artifact?: string
    argv?: readonly string[]
    more?: readonly string[]
  }): ReturnType<typeof writ>
}

/** How an artifact differs from the good one. */
export interface IssueChange {
  readonly key?: string
  readonly host?: string
  readonly uses?: string
  readonly valid?: string
  readonly more?: readonly string[]
  readonly argv?: readonly string[]
}

const DIGITS = 300

/** Builds and trains the classifier, signs an artifact for it, and runs it. */
export async function infer(screen: Screen, site: Site): Promise<Workload> {
  screen.heading('A signed artifact lets a digit classifier run')
  const workload = await screen.waiting('building and training the classifier', prepare(site))
  screen.command('writ issue --key release.key --issuer release --file weights -- ./classifier infer weights')
  const artifact = await workload.issue('digits')
  screen.command('writ run --artifact digits.json -- ./classifier infer weights < digits.txt')
  const { status, stdout, stderr } = await screen.waiting('running it', workload.run({ artifact }))
  const lines = stdout.trimEnd().split('\n')
  const accuracy = lines.at(-1) ?? ''
  if (status !== 0) throw new DemoError(`the classifier did not run (${status}):\n${stderr}`)
  screen.line(`first digit: ${lines[0]}; ${lines.length - 1} digits read`)
  screen.result('Governed inference', `exit status ${status}, ${accuracy}`, lines.length === DIGITS + 1)
  return workload
}

async function prepare(site: Site): Promise<Workload> {
  const dir = await site.workspace.makeDirectory('work')
  const program = join(dir, 'classifier')
  const weights = join(dir, 'weights')
  await buildClassifier(program)
  const trained = await run([program, 'train', '7', weights])
  if (trained.status !== 0) throw new DemoError(`training failed: ${trained.stderr}`)
  const digits = (await run([program, 'draw', '99', String(DIGITS)])).stdout
  const argv = [program, 'infer', weights]
  return {
    program,
    weights,
    digits,
    issue: (name, change = {}) => issue(site, name, weights, { argv, ...change }),
    run: ({ artifact, argv: other = argv, more = [] }) =>
      writ(
        [
          ...['run', '--socket', site.socket, '--quiet', ...more],
          ...(artifact === undefined ? [] : ['--artifact', artifact]),
          ...['--', ...other],
        ],
        { uid: USERS.caller, input: digits, repository: site.repository },
      ),
  }
}

async function issue(site: Site, name: string, weights: string, change: IssueChange): Promise<string> {
  const out = site.workspace.path('work', `${name}.json`)
  const {
    argv = [],
    key = 'release.key',
    host = site.hostId,
    uses = 'any',
    valid = '10m',
    more = [],
  } = change
  await writJson([
    ...['issue', '--key', join(site.operator, key), '--issuer', 'release', '--out', out],
    ...['--host', host, '--valid', valid, '--uses', uses, '--uid', String(USERS.caller)],
    ...['--policy', site.policyDigest, '--reference-values', site.referenceDigest, '--simulated', 'allow'],
    ...['--file', weights, ...more, '--', ...argv],
  ])
  return out
}
