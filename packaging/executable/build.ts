// Builds the executable that carries both programs: build.ts OUTPUT [PACKAGES]
// PACKAGES is told the directories of the npm packages whose code is inside, one on each line.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { SHIPPED_FILES } from '../../encoding/shipped.ts'
import { bundle, CHECKOUT, ENTRIES, type Program } from './bundle.ts'

/**
 * What Node is started with, whoever starts it. The script writd of the checkout says why V8's young generation has one megabyte. The budget is that
 * of authorization/policy/cedar.ts: flags that change later would make what was compiled useless. SIGUSR1 would open a debugger to whoever may
 * send it. OpenSSL's configuration can name modules to load.
 */
const V8_FLAGS = ['--max-semi-space-size=1', '--wasm-tiering-budget=500000000']
const NODE_FLAGS = ['--disable-sigusr1', '--openssl-config=/dev/null']
/** Compiles without chance and without threads. V8 lets what was compiled so be used without these (flags.cc, ComputeFlagListHash). */
const SAME_BYTES = ['--random-seed=1', '--predictable']

/** Runs for whose sake functions are compiled: they initialise every module. */
const RUNS: Readonly<Record<Program, readonly string[]>> = {
  writ: ['--help'],
  writd: ['--help'],
}

const [output, packagesFile] = process.argv.slice(2)
if (output === undefined) throw new TypeError('usage: build.ts OUTPUT [PACKAGES]')
const scratch = mkdtempSync(join(tmpdir(), 'writ-executable-'))
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }))
mkdirSync(dirname(resolve(output)), { recursive: true })

const packages = new Set<string>()
const assets: Record<string, string> = {}
for (const path of Object.values(SHIPPED_FILES)) assets[path] = join(CHECKOUT, path)
for (const program of Object.keys(ENTRIES) as Program[]) await addProgram(program)

// It names its sources in stack traces: by paths that are the same in every build.
writeFileSync(join(scratch, 'start.js'), (await bundle('packaging/executable/start.ts')).text)
// Debugging information is a fifth of the runtime, and all of it is read and hashed when the kernel measures it.
run('strip', ['--remove-section=.comment', '-o', join(scratch, 'node'), process.execPath])
const config = join(scratch, 'sea.json')
writeFileSync(
  config,
  JSON.stringify({
    main: 'start.js',
    mainFormat: 'commonjs',
    executable: join(scratch, 'node'),
    output: resolve(output),
    disableExperimentalSEAWarning: true,
    useSnapshot: false,
    // Also what keeps Node from taking compiled code for its main script from a directory that NODE_COMPILE_CACHE names.
    useCodeCache: true,
    execArgv: [...V8_FLAGS, ...NODE_FLAGS],
    // Neither NODE_OPTIONS nor --node-options= adds anything.
    execArgvExtension: 'none',
    assets,
  }),
)
run(process.execPath, [...V8_FLAGS, ...SAME_BYTES, '--build-sea', config], scratch)
if (packagesFile !== undefined) writeFileSync(packagesFile, `${[...packages].toSorted().join('\n')}\n`)

async function addProgram(program: Program): Promise<void> {
  const { text, packages: inside } = await bundle(ENTRIES[program])
  for (const directory of inside) packages.add(directory)
  const file = join(scratch, `${program}.js`)
  writeFileSync(file, `(function (require, module, exports, __dirname) {${text}\n})`)
  const compiled = join(scratch, `${program}.compiled`)
  const addon = join(CHECKOUT, 'native/build/writ.node')
  run(process.execPath, [
    ...[...V8_FLAGS, ...SAME_BYTES, '--no-flush-bytecode', join(import.meta.dirname, 'compile.ts')],
    ...[file, compiled, addon, ...RUNS[program]],
  ])
  run(process.execPath, [...V8_FLAGS, join(import.meta.dirname, 'accept.ts'), file, compiled])
  assets[`${program}.js`] = file
  assets[`${program}.compiled`] = compiled
}

function run(command: string, args: readonly string[], cwd = CHECKOUT): void {
  const { status, signal, error, stdout, stderr } = spawnSync(command, args, {
    cwd,
    encoding: 'utf8',
    // Nothing of who builds it gets in.
    env: { PATH: process.env.PATH, LC_ALL: 'C.UTF-8', TZ: 'UTC' },
  })
  if (error !== undefined) throw error
  if (status !== 0) throw new Error(`${command} failed (${status ?? signal}):\n${stdout}${stderr}`)
}
