// Writes the files of vectors: test/vectors/generate.ts [DIRECTORY]
// What has to come of each stands in source/; the stage and the places are filled in from the code, which has to agree.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { generated } from './source/all.ts'

const directory = process.argv[2] ?? import.meta.dirname
for (const [path, content] of generated()) {
  const file = join(directory, path)
  mkdirSync(join(file, '..'), { recursive: true })
  writeFileSync(file, content)
}
