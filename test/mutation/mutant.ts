/** One small change of the source text of one file. */
export interface Mutant {
  /** From the top of the repository. */
  readonly file: string
  /** What is replaced, in UTF-16 code units of the source. */
  readonly start: number
  readonly end: number
  readonly replacement: string
  /** Where the change begins to matter: what has run this offset has run the mutant. */
  readonly reached: number
  /** From 1 on. */
  readonly line: number
  /** What a person reads, and what {@link Mutant} is known by when lines move: the old text and the new one. */
  readonly change: string
}

/** The source of a file with the change made. */
export function mutated(source: string, { start, end, replacement }: Mutant): string {
  return source.slice(0, start) + replacement + source.slice(end)
}

/** One line, and not a long one. */
export function oneLine(text: string, most = 70): string {
  const line = text.replace(/\s+/g, ' ').trim()
  return line.length > most ? `${line.slice(0, most - 1)}…` : line
}

/** How a mutant did. `uncovered`: no test runs it, so none can notice. */
export type Fate =
  | { readonly kind: 'killed'; readonly file: string; readonly by: string }
  | { readonly kind: 'hung' }
  | { readonly kind: 'survived'; readonly tests: number }
  | { readonly kind: 'uncovered' }
