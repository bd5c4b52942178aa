// Checks what comes from others: check.ts [--write]
// The lock, its versions and licences, scripts of packages, the settings of npm, the workflows, and docs/licences.md, which --write writes.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { lockedPackages } from '../sbom/lock.ts'
import { licencesPage } from './licences.ts'
import { lockFaults, settingFaults, versionFaults, workflowFaults } from './rules.ts'

const house = join(import.meta.dirname, '../..')
const read = (path: string): string => readFileSync(join(house, path), 'utf8')
const WORKFLOWS = '.github/workflows'
const PAGE = 'docs/licences.md'

const packages = lockedPackages()
const workflows = readdirSync(join(house, WORKFLOWS))
const page = licencesPage(packages, process.versions)
if (process.argv.includes('--write')) writeFileSync(join(house, PAGE), page)
const faults = [
  ...lockFaults(packages),
  ...versionFaults(JSON.parse(read('package.json'))),
  ...settingFaults(read('.npmrc')),
  ...workflows.flatMap(name => workflowFaults(`${WORKFLOWS}/${name}`, read(join(WORKFLOWS, name)))),
  ...(read(PAGE) === page ? [] : [`${PAGE} is not what the lock says; make it anew: npm run licences`]),
]
for (const fault of faults) console.error(`supply-chain: ${fault}`)
console.log(
  `supply-chain: ${packages.size} packages and ${workflows.length} workflows looked at, ${faults.length} faults`,
)
// A check that has read nothing has nothing to complain of.
if (faults.length > 0 || packages.size < 50 || workflows.length === 0) process.exitCode = 1
