import './as-shipped.ts'

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { CannotRun, format, missed, type Row, unmeasured } from './measure.ts'
import { BENCHES, type Bench, Place } from './rows.ts'

const USAGE = `usage: npm run bench [-- [--only PATTERN] [--json FILE] [--check] [--list]]

  --only PATTERN   only the rows whose name contains it, or matches it as a regular expression; case does not count
  --json FILE      writes the rows as JSON as well
  --check          exit status 1 where a row misses its goal, or none could be measured
  --list           the names of the rows
`

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    json: { type: 'string' },
    check: { type: 'boolean' },
    list: { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
  },
})
if (values.help) {
  process.stdout.write(USAGE)
} else if (values.list) {
  for (const { row } of BENCHES) console.log(row)
} else {
  const wanted = choose(values.only)
  if (wanted.length === 0) {
    console.error(`no row is called ${values.only}; --list shows them`)
    process.exitCode = 2
  } else {
    const rows = await measureAll(wanted)
    print(rows)
    if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(rows, null, 2)}\n`)
    if (values.check) check(rows)
  }
}

function choose(only: string | undefined): readonly Bench[] {
  if (only === undefined) return BENCHES
  const text = only.toLowerCase()
  const expression = pattern(only)
  return BENCHES.filter(({ row }) => row.toLowerCase().includes(text) || expression?.test(row))
}

function pattern(source: string): RegExp | null {
  try {
    return new RegExp(source, 'i')
  } catch {
    return null
  }
}

/** Each row is measured beside its reference in this one run. Absolute times depend on the machine; ratios less so. */
async function measureAll(benches: readonly Bench[]): Promise<Row[]> {
  const directory = mkdtempSync(join(tmpdir(), 'writ-bench-'))
  const place = new Place(directory)
  const rows: Row[] = []
  try {
    for (const bench of benches) {
      const start = performance.now()
      rows.push(await measureOne(bench, place))
      const seconds = ((performance.now() - start) / 1000).toFixed(0)
      process.stderr.write(`${rows.length} of ${benches.length}: ${bench.row} (${seconds} s)\n`)
    }
    return rows
  } finally {
    await place.close()
    rmSync(directory, { recursive: true, force: true })
  }
}

/** A row that cannot be measured says why; any other failure says so as well, and fails the run at its end. */
async function measureOne({ row, goal, measure }: Bench, place: Place): Promise<Row> {
  try {
    return await measure(place)
  } catch (error) {
    if (error instanceof CannotRun) return unmeasured(row, goal, `not measured: ${error.message}`)
    process.exitCode = 1
    console.error(error)
    return unmeasured(row, goal, `failed: ${error instanceof Error ? error.message : String(error)}`)
  }
}

function check(rows: readonly Row[]): void {
  for (const { row, ratio, goal, reference } of missed(rows)) {
    process.exitCode = 1
    console.error(
      `check: ${row}: ${ratio === null ? reference : `${format(ratio)}, the goal is ≤ ${format(goal)}`}`,
    )
  }
}

function print(rows: readonly Row[]): void {
  const number = (value: number | null) => (value === null ? '–' : format(value))
  console.table(
    rows.map(({ row, ratio, goal, met, median, p99, reference }) => ({
      row,
      ratio: number(ratio),
      goal: `≤ ${format(goal)}`,
      met: met ? 'yes' : 'no',
      median: number(median),
      p99: number(p99),
      reference,
    })),
  )
}
