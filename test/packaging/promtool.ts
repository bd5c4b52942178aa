import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CHECKOUT } from '../support/programs.ts'

export const RULES = join(CHECKOUT, 'packaging/prometheus/writ.rules.yml')
export const PROMTOOL = spawnSync('promtool', ['--version']).status === 0
/** Where tests of it say whether they run. */
export const WHY = PROMTOOL ? 'promtool' : 'skipped: promtool is not installed (Debian: prometheus)'

/** One host, its series sampled at every interval, and how many alerts of a kind fire at some instants. */
export interface AlertCase {
  readonly name: string
  readonly interval: string
  readonly series: Readonly<Record<string, string>>
  /** Alone of that name; null: of any. */
  readonly alert: string | null
  readonly firing: readonly { readonly at: string; readonly count: number }[]
}

/** Has promtool evaluate the rules over these. Nothing in `said` and `status` 0: all is as it was to be. */
export function testRules(
  evaluationInterval: string,
  cases: readonly AlertCase[],
): { status: number | null; said: string } {
  const directory = mkdtempSync(join(tmpdir(), 'writ-rules-'))
  try {
    const tests = cases.map(({ name, interval, series, alert, firing }) => ({
      name,
      interval,
      input_series: Object.entries(series).map(([of, values]) => ({ series: of, values })),
      promql_expr_test: firing.map(({ at, count }) => ({
        expr: `count(ALERTS{${alert === null ? '' : `alertname="${alert}",`}alertstate="firing"})`,
        eval_time: at,
        exp_samples: count === 0 ? [] : [{ labels: '{}', value: count }],
      })),
    }))
    const file = join(directory, 'cases.yml')
    // JSON is YAML.
    writeFileSync(
      file,
      JSON.stringify({ rule_files: [RULES], evaluation_interval: evaluationInterval, tests }),
    )
    const { status, stdout, stderr } = spawnSync('promtool', ['test', 'rules', file], { encoding: 'utf8' })
    return { status, said: stdout + stderr }
  } finally {
    rmSync(directory, { recursive: true })
  }
}
