// Writes the published JSON Schemas and the tables of events: test/schema/generate.ts [DIRECTORY]
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { allSchemas, withEventTables } from './published.ts'

const docs = join(import.meta.dirname, '../../docs')
const directory = process.argv[2] ?? join(docs, 'schema')
mkdirSync(directory, { recursive: true })
for (const [name, schema] of allSchemas())
  writeFileSync(join(directory, name), `${JSON.stringify(schema, null, 2)}\n`)
if (process.argv[2] === undefined) {
  const page = join(docs, 'lineage.md')
  writeFileSync(page, withEventTables(readFileSync(page, 'utf8')))
}
