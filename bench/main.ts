import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { evidenceCycle } from './evidence-cycle.ts'
import { imaReplay } from './ima-replay.ts'
import { lineageAppend } from './lineage-append.ts'
import type { Row } from './measure.ts'

/** Each row is measured beside its reference in this one run. Absolute times depend on the machine; ratios less so. */
const ROWS: readonly ((directory: string) => Promise<Row>)[] = [evidenceCycle, lineageAppend, imaReplay]

const { values } = parseArgs({ options: { json: { type: 'string' } } })
const directory = mkdtempSync(join(tmpdir(), 'writ-bench-'))
try {
  const rows: Row[] = []
  for (const measure of ROWS) rows.push(await measure(directory))
  console.table(
    rows.map(({ row, ratio, goal, met, median, p99, reference }) => ({
      row,
      ratio: ratio.toFixed(2),
      goal: `≤ ${goal}`,
      met: met ? 'yes' : 'no',
      'median ms': median.toFixed(3),
      'p99 ms': p99.toFixed(3),
      reference,
    })),
  )
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(rows, null, 2)}\n`)
} finally {
  rmSync(directory, { recursive: true, force: true })
}
