import { setFlagsFromString } from 'node:v8'
import { compileFunction } from 'node:vm'
import { shippedFile } from '../../encoding/shipped.ts'

/** What the package's module for Node exports. */
export type Cedar = typeof import('@cedar-policy/cedar-wasm/nodejs')

/**
 * How much a WebAssembly function runs before V8 optimises it; its default (flag-definitions.h) is some hundred times less, and
 * makes Cedar's parser, which runs once, cost 30 MB of compiled code. What runs at every request gets there all the same.
 */
setFlagsFromString('--wasm-tiering-budget=500000000')

/** The package's module as a function of the variables that a CommonJS module has. */
type CedarModule = (exports: object, require: (name: string) => object, directory: string) => void
let compiled: CedarModule | null = null

/**
 * A Cedar of one's own: a new WebAssembly instance with its own memory.
 *
 * The package keeps one instance per load of its module, and that instance does not survive everything: input nested
 * about 150 deep runs past its 1 MiB stack, after which every later call fails (seen with 4.13.0, also from
 * `validate`). It also never lets go of a parsed policy set. So each bundle gets an instance: what one bundle breaks
 * or holds goes away with it. Compiling again is cheap, V8 knows the bytes.
 *
 * The module's text is run here, and given its WebAssembly when it asks for that file: where it comes from is one question, answered
 * for all that is shipped in `encoding/shipped.ts`.
 */
export function newCedar(): Cedar {
  compiled ??= compileFunction(shippedFile('cedarScript').toString(), ['exports', 'require', '__dirname'], {
    filename: 'cedar_wasm.js',
  }) as CedarModule
  const exports = {}
  compiled(exports, requireForCedar, '')
  return exports as Cedar
}

/** All that the module requires is `fs`, and of that one function, with the path of its WebAssembly. */
const requireForCedar = (): object => ({ readFileSync: () => shippedFile('cedarModule') })
