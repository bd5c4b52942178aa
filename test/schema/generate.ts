// Writes the published JSON Schemas: test/schema/generate.ts [DIRECTORY]
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { publishedSchemas } from '../../authorization/published/documents.ts'

const directory = process.argv[2] ?? join(import.meta.dirname, '../../docs/schema')
mkdirSync(directory, { recursive: true })
for (const [name, schema] of publishedSchemas())
  writeFileSync(join(directory, name), `${JSON.stringify(schema, null, 2)}\n`)
