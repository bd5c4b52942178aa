import type { Mutant } from './mutant.ts'

const WORDS = 'words of a message'

/** Mutants that no test can tell from the original, each with why. By file and change, so that lines may move. */
export const EQUIVALENT: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'authorization/narrow.ts': {
    "parent === 'own' → false": 'the text has no uid, so none is the same',
    "parent === 'none' → false": 'the text has no limits, and nothing is at most undefined',
    "child[name] !== 'any' → true": "no comparison with 'any' holds",
    "most !== 'any' → true": "no comparison with 'any' holds",
    "without 'in its life'": WORDS,
    "without 'at one time'": WORDS,
    "without 'within a minute'": WORDS,
  },
}

/** Why a mutant is equivalent; null if it has to be killed. */
export function reasonOf({ file, change }: Mutant): string | null {
  return EQUIVALENT[file]?.[change] ?? null
}

/** What is listed and is no mutant (any more). */
export function staleEquivalents(mutants: readonly Mutant[], files: readonly string[]): string[] {
  const known = new Set(mutants.map(({ file, change }) => `${file}: ${change}`))
  return files.flatMap(file =>
    Object.keys(EQUIVALENT[file] ?? {})
      .map(change => `${file}: ${change}`)
      .filter(name => !known.has(name)),
  )
}
