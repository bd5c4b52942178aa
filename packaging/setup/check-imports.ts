// Checks the direction of imports: check-imports.ts [DIRECTORY [LEAST_MODULES]]
// Fails on a forbidden import, and when fewer modules were read than the house has: a checker that finds no compiler
// reads nothing and has nothing to complain of.
import { spawnSync } from 'node:child_process'
import { join, resolve } from 'node:path'
import type { ICruiseResult } from 'dependency-cruiser'

const house = resolve(import.meta.dirname, '../..')
const [directory = house, least = '50'] = process.argv.slice(2)

const cruiser = join(house, 'node_modules/.bin/depcruise')
const config = join(house, '.dependency-cruiser.cjs')
const { stdout, stderr } = spawnSync(
  process.execPath,
  [cruiser, '--config', config, '--output-type', 'json', '.'],
  { cwd: directory, encoding: 'utf8', maxBuffer: 1 << 28 },
)
if (stdout === '') {
  console.error(`imports: dependency-cruiser gave no result: ${stderr.trim()}`)
  process.exit(1)
}
const result = JSON.parse(stdout) as ICruiseResult

for (const { rule, from, to, cycle } of result.summary.violations) {
  const path = cycle ? cycle.map(({ name }) => name).join(' → ') : to
  console.error(`imports: ${rule.name}: ${from} → ${path}`)
}
const read = result.modules.filter(
  ({ source }) => source.endsWith('.ts') && !source.includes('node_modules/'),
)
console.log(`imports: ${read.length} modules read, ${result.summary.violations.length} imports forbidden`)
if (!(read.length >= Number(least))) {
  console.error(`imports: at least ${least} modules were expected; the checker does not see the sources`)
  process.exitCode = 1
}
if (result.summary.violations.length > 0) process.exitCode = 1
