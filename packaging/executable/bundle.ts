import { basename, join, resolve } from 'node:path'
import { rolldown } from 'rolldown'
import { definitionsInside } from './definitions.ts'

export const CHECKOUT = resolve(import.meta.dirname, '../..')

export type Program = 'writ' | 'writd'

/** What is bundled, by the name of the asset that it becomes. */
export const ENTRIES: Readonly<Record<Program, string>> = {
  writ: 'cli/main.ts',
  writd: 'daemon/main.ts',
}

export interface Bundle {
  /** The program with everything that it imports, as one CommonJS script in ASCII. */
  readonly text: string
  /** Directories of the npm packages whose code is in it. */
  readonly packages: readonly string[]
}

/**
 * Puts a module and everything that it imports into one script. Same sources, same bytes.
 *
 * @param entry its path in the checkout
 * @throws Error when something cannot be resolved, or would be left to be loaded at run time
 */
export async function bundle(entry: string): Promise<Bundle> {
  const build = await rolldown({
    input: join(CHECKOUT, entry),
    cwd: CHECKOUT,
    platform: 'node',
    resolve: { symlinks: false },
    plugins: [definitionsInside()],
    onLog(_, log) {
      // protobufjs looks for an optional module so that bundlers do not see it, and does without.
      if (log.code !== 'EVAL') throw new Error(`${entry}: ${log.message}`)
    },
  })
  const { output } = await build.generate({
    format: 'cjs',
    codeSplitting: false,
    charset: 'ascii',
    // Names and lines stay: a fault prints the line that it came from.
    comments: false,
  })
  await build.close()
  const [chunk, ...others] = output
  if (others.length > 0) throw new Error(`${entry}: more than one file came out`)
  const unprintable = /[^\n\t\x20-\x7e]/.exec(chunk.code)
  if (unprintable !== null) throw new Error(`${entry}: not ASCII at ${unprintable.index}`)
  return { text: chunk.code, packages: packagesOf(chunk.moduleIds) }
}

function packagesOf(modules: readonly string[]): string[] {
  const found = modules.flatMap(id => {
    const match = /^(.*\/node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(id)
    return match?.[1] === undefined ? [] : [match[1]]
  })
  return [...new Set(found)].toSorted((a, b) => (basename(a) < basename(b) ? -1 : 1))
}
