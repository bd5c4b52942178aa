// The first code of the packaged executable: runs the program as which it was started. Built by build.ts; never run from a checkout.
import { basename } from 'node:path'
import sea from 'node:sea'
import { Script } from 'node:vm'
import type { Program } from './bundle.ts'

/** The tool is asked for by its name; whatever else the executable is called, it is the daemon. */
const program: Program = basename(process.argv0) === 'writ' ? 'writ' : 'writd'

const asset = (name: string): Buffer => Buffer.from(sea.getRawAsset(name))

/** Gives the programs what belongs to Node itself. Nothing else can be required, whatever the name: no code comes from a disk. */
function requireBuiltin(name: string): unknown {
  const found = process.getBuiltinModule(name)
  if (found === undefined) throw new TypeError(`${name} is not part of this executable`)
  return found
}

// The text is ASCII. V8 checks that what was compiled belongs to it, to this V8 and to its flags, and compiles anew if it does not.
const script = new Script(asset(`${program}.js`).toString('latin1'), {
  filename: `${program}.js`,
  cachedData: asset(`${program}.compiled`),
})
// Packages look for files beside them, which are inside; no path below this one exists.
script.runInThisContext()(requireBuiltin, { exports: {} }, {}, '/dev/null/-/-/-')
