import { pieces, records, type StructureMutator } from './structures.ts'

/** One parser, or several of the same input, with what it is started from. */
export interface FuzzTarget {
  readonly name: string
  readonly seeds: readonly Buffer[]
  /** What knows the input's form; none: bytes are changed as they come. */
  readonly structure?: StructureMutator
  /** Texts and numbers that the parser compares with. */
  readonly words?: readonly string[]
  /** Reads the input in all ways. What it throws has to be a WritError. */
  run(input: Buffer): void
}

/** Texts of lines. */
export const lines = records(pieces('\n'))

/** Several parsers of one input: each is tried, and the last error that any had is thrown if none took it. */
export function each(input: Buffer, ...parsers: ((input: Buffer) => void)[]): void {
  for (const parse of parsers) attempt(() => parse(input))
}

/** Only typed errors are let pass: others go on and end the run. */
let isTyped: (error: unknown) => boolean = () => false
export function onTypedErrors(check: (error: unknown) => boolean): void {
  isTyped = check
}

/** Runs one parser. */
export function attempt(work: () => void): void {
  try {
    work()
  } catch (error) {
    if (!isTyped(error)) throw error
  }
}
