// Compiles a program ahead of its start: compile.ts TEXT OUTPUT ADDON RUN…
// Each RUN is the arguments, separated by spaces, of a run for whose sake functions are compiled. Runs with the V8 flags of the
// executable and those of build.ts.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { Script } from 'node:vm'
import { CHECKOUT } from './bundle.ts'

const [textFile = '', outputFile = '', addon = '', ...runs] = process.argv.slice(2)
const script = new Script(readFileSync(textFile, 'latin1'))

// What the executable is for the programs.
const load = process.dlopen
process.dlopen = module => load.call(process, module, addon)
const sea = { isSea: () => true, getRawAsset: (path: string) => bytesOf(join(CHECKOUT, path)) }
const bytesOf = (path: string): ArrayBuffer => new Uint8Array(readFileSync(path)).buffer
const requireBuiltin = (name: string) => (name === 'node:sea' ? sea : process.getBuiltinModule(name))
process.stdout.write = () => true
process.stderr.write = () => true

for (const run of runs) {
  process.argv.splice(1, Number.POSITIVE_INFINITY, 'writ', ...run.split(' '))
  script.runInThisContext()(requireBuiltin, { exports: {} }, {}, '/dev/null/-/-/-')
}

process.on('exit', () => {
  // V8 refuses what was compiled under other flags than those of the executable (its header has their hash).
  setFlagsFromString('--flush-bytecode')
  writeFileSync(outputFile, script.createCachedData())
  process.exitCode = 0
})
