import type { Fate, Mutant } from './mutant.ts'

/** What one file of tests runs: mutants by their position. */
export interface TestFile {
  readonly file: string
  /** What fails without a mutant: then none of its tests is used. */
  readonly failing: string | null
  /** While it is loaded. */
  readonly loaded: readonly number[]
  readonly tests: readonly { readonly ms: number; readonly mutants: readonly number[] }[]
}

export type Question =
  | { readonly ask: 'survey'; readonly files: readonly string[]; readonly mutants: readonly Mutant[] }
  | {
      readonly ask: 'try'
      readonly mutant: Mutant
      /** In this order, and of each file the tests at these positions. */
      readonly files: readonly { readonly file: string; readonly tests: readonly number[] }[]
    }

export type Answer =
  | { readonly survey: readonly TestFile[] }
  | { readonly fate: Fate }
  | { readonly error: string }
