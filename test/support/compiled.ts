import { chmodSync, mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const COMPILED = fileURLToPath(new URL('../../node_modules/.cache/writ-test', import.meta.url))

/**
 * For NODE_COMPILE_CACHE: what Node has compiled, of every user's processes. Starting them is most of what a test on a whole host does.
 *
 * @returns the path of a directory that every user may write to
 */
export function compiledDirectory(): string {
  mkdirSync(COMPILED, { recursive: true })
  chmodSync(COMPILED, 0o1777)
  return COMPILED
}
