import { readFileSync } from 'node:fs'
import { registerHooks, stripTypeScriptTypes } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { type Mutant, mutated } from './mutant.ts'

export const ROOT = join(import.meta.dirname, '../..')

const top = pathToFileURL(`${ROOT}/`).href
const vitest = new URL('./vitest.ts', import.meta.url).href
const sources = new Map<string, string>()
const mutants = new Map<string, Mutant>()

function stripped(path: string): string {
  const known = sources.get(path)
  if (known !== undefined) return known
  const source = stripTypeScriptTypes(readFileSync(path, 'utf8'))
  sources.set(path, source)
  return source
}

/**
 * From now on the project's modules can be loaded many times in one process, each time anew: what is imported with `?generation` gives
 * it to all that it imports. `vitest` is the one of this folder, which collects tests and runs none.
 */
export function install(): void {
  registerHooks({
    resolve(specifier, context, next) {
      const generation = new URL(context.parentURL ?? 'file:///').search
      if (generation === '') return next(specifier, context)
      if (specifier === 'vitest') return { url: vitest, shortCircuit: true }
      const found = next(specifier, context)
      const ours =
        found.url.startsWith(top) && found.url.endsWith('.ts') && !found.url.includes('/node_modules/')
      return ours ? { ...found, url: found.url + generation } : found
    },
    load(url, context, next) {
      const { search } = new URL(url)
      if (search === '' || !url.startsWith(top)) return next(url, context)
      const path = fileURLToPath(url)
      const mutant = mutants.get(search)
      const source =
        mutant !== undefined && path === join(ROOT, mutant.file)
          ? stripTypeScriptTypes(mutated(readFileSync(path, 'utf8'), mutant))
          : stripped(path)
      return { format: 'module', source, shortCircuit: true }
    },
  })
}

/** The address of a test file whose modules are a generation of their own, in which one file is mutated. */
export function addressOf(file: string, generation: string, mutant: Mutant | null): string {
  const search = `?${generation}`
  if (mutant !== null) mutants.set(search, mutant)
  return pathToFileURL(join(ROOT, file)).href + search
}
