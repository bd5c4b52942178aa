// Fails unless V8 takes what compile.ts made for a program, under the flags that this runs with: accept.ts TEXT COMPILED
import { readFileSync } from 'node:fs'
import { Script } from 'node:vm'

const [textFile = '', compiledFile = ''] = process.argv.slice(2)
const script = new Script(readFileSync(textFile, 'latin1'), { cachedData: readFileSync(compiledFile) })
if (script.cachedDataRejected !== false) throw new Error(`V8 refuses ${compiledFile}`)
