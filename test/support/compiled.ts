import { chmodSync, mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { preparedDirectory } from './prepared.ts'

/** Kept between the runs of what is no test. */
const KEPT = resolve(import.meta.dirname, '../../node_modules/.cache/writ-test')

/**
 * For NODE_COMPILE_CACHE: what Node has compiled, of every user's processes. Starting them is most of what a test on a whole host does.
 *
 * @returns the path of a directory that every user may write to
 */
export function compiledDirectory(): string {
  const all = preparedDirectory()
  const path = all === null ? KEPT : join(all, 'compiled')
  mkdirSync(path, { recursive: true })
  chmodSync(path, 0o1777)
  return path
}
