// Fuzzes the parsers: test/fuzz/main.ts [--target NAME[,NAME]|all] [--executions N] [--seconds S] [--seed N] [--blind] [--faults DIR] [--out FILE]
// Inputs are mutations of the recorded hosts and, with WRIT_FIXTURES, of the outside cases. Exit status 1 when an execution crashed, took longer than
// 100 ms or more than 64 MB.
import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Coverage } from './coverage.ts'
import { type Fault, Fuzzer } from './engine.ts'
import { TARGETS } from './targets.ts'

const { values } = parseArgs({
  options: {
    target: { type: 'string', default: 'all' },
    executions: { type: 'string' },
    seconds: { type: 'string' },
    seed: { type: 'string', default: '1' },
    /** Without coverage: a third faster. */
    blind: { type: 'boolean', default: false },
    faults: { type: 'string', default: 'fuzz-faults' },
    out: { type: 'string' },
  },
})
const names = values.target.split(',')
const chosen = TARGETS.filter(({ name }) => names.includes('all') || names.includes(name))
if (chosen.length === 0) {
  console.error(`no target of these: ${TARGETS.map(({ name }) => name).join(' ')}`)
  process.exit(2)
}
const most = Number(values.executions ?? Number.POSITIVE_INFINITY)
const until =
  Date.now() +
  1000 * Number(values.seconds ?? (values.executions === undefined ? 60 : Number.POSITIVE_INFINITY))
/** How long one target runs before it is the next one's turn. */
const TURN_MS = 2000

const coverage = values.blind
  ? undefined
  : new Coverage(path => /^(?:attestation|authorization|encoding|signing|lineage)\//.test(path))
coverage?.start()
const fuzzers = chosen.map((target, i) => new Fuzzer(target, Number(values.seed) + i))
for (const fuzzer of fuzzers) fuzzer.warmUp(coverage)
const seeded = coverage?.blocks ?? 0

for (let open = fuzzers; open.length > 0 && Date.now() < until; ) {
  for (const fuzzer of open) {
    const turn = Math.min(until, Date.now() + TURN_MS)
    while (Date.now() < turn && fuzzer.progress.executions < most) fuzzer.batch(coverage)
  }
  open = open.filter(({ progress }) => progress.executions < most)
  if (values.out !== undefined) writeFileSync(values.out, `${JSON.stringify(summary(), null, 1)}\n`)
}
coverage?.stop()

for (const row of summary().targets) {
  console.log(
    `${row.target.padEnd(16)} ${String(row.executions).padStart(9)} executions ${String(row.perSecond).padStart(7)}/s  slowest ${row.slowestMs} ms  memory ${row.peakMb} MB  kept ${row.kept}  faults ${row.faults}`,
  )
}
const { executions, blocks, functions } = summary()
console.log(
  `${executions} executions; ${blocks} blocks of ${functions} functions reached, ${seeded} by the seeds`,
)
const faults = fuzzers.flatMap(fuzzer => fuzzer.faults)
for (const fault of faults) report(fault)
process.exit(faults.length === 0 ? 0 : 1)

function summary() {
  const targets = fuzzers.map(({ target, progress, kept, faults }) => ({
    target: target.name,
    executions: progress.executions,
    perSecond: Math.round(progress.executions / Math.max(progress.ms / 1000, 0.001)),
    slowestMs: Number(progress.slowestMs.toFixed(1)),
    peakMb: Math.round(progress.peakBytes / 2 ** 20),
    kept,
    faults: faults.length,
  }))
  return {
    executions: targets.reduce((sum, row) => sum + row.executions, 0),
    blocks: coverage?.blocks ?? 0,
    functions: coverage?.functions ?? 0,
    targets,
    faults: fuzzers.flatMap(fuzzer =>
      fuzzer.faults.map(({ kind, target, what }) => ({ kind, target, what })),
    ),
  }
}

function report({ kind, target, what, input }: Fault): void {
  mkdirSync(values.faults, { recursive: true })
  const path = join(
    values.faults,
    `${target}-${kind}-${createHash('sha256').update(input).digest('hex').slice(0, 12)}`,
  )
  writeFileSync(path, input)
  console.log(`${kind} in ${target}: ${what}\n  input: ${path} (${input.length} bytes)`)
}
