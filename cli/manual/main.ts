// Writes what is made from the definitions of the commands: `npm run manual`
// usage: manual/main.ts markdown FILE | findings FILE | man DIRECTORY
// The date of the manual pages is SOURCE_DATE_EPOCH, if it is set, so that the same source makes the same bytes.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readVersion } from '../../encoding/version.ts'
import { COMMANDS } from '../commands/index.ts'
import { definitionOf } from '../definition.ts'
import { AREAS } from '../doctor/areas/index.ts'
import { findingsPage } from '../doctor/page.ts'
import { wholeProgram } from '../program.ts'
import { configurationPages } from './configuration.ts'
import { markdown } from './markdown.ts'
import { pages } from './roff.ts'

const [what, target] = process.argv.slice(2)
const root = definitionOf(await wholeProgram(COMMANDS))
if (what === 'markdown' && target !== undefined) {
  writeFileSync(target, markdown(root))
} else if (what === 'findings' && target !== undefined) {
  writeFileSync(target, findingsPage(AREAS))
} else if (what === 'man' && target !== undefined) {
  const epoch = process.env.SOURCE_DATE_EPOCH
  const date = new Date(epoch === undefined ? Date.now() : Number(epoch) * 1000).toISOString().slice(0, 10)
  mkdirSync(target, { recursive: true })
  const edition = { version: readVersion(), date }
  for (const { file, text } of [...pages(root, edition), ...configurationPages(edition)])
    writeFileSync(join(target, file), text)
} else {
  process.stderr.write('usage: manual/main.ts markdown FILE | findings FILE | man DIRECTORY\n')
  process.exitCode = 2
}
