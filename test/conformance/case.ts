import { readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import type { JsonValue } from '../../encoding/json.ts'

/** One line of the list of cases: what a verifier is handed, and nothing of what is expected. */
export interface CaseLine {
  /** Of the file, below the root of the cases. */
  readonly path: string
  readonly kind: string
  /** What is fed in beside the file: PCR values that a TPM quoted, keys that are trusted, the form of a log. */
  readonly given: Readonly<Record<string, JsonValue>>
  /** The inputs that stand beside a `case.json`. */
  readonly case?: Readonly<Record<string, JsonValue>>
}

/** A case with its bytes. */
export interface ConformanceCase extends CaseLine {
  readonly bytes: Buffer
  /** A file named in the case, relative to where the case is. */
  read(name: string): Buffer
  /** A file below the root of the cases. */
  readFromRoot(name: string): Buffer
}

/** What is answered: the members that the suite defines for the kind. */
export type Answer = Readonly<Record<string, JsonValue>>

/** That a case is refused, in the words of every kind. */
export const REFUSAL: Answer = {
  parse: 'error',
  verdict: 'reject',
  verify: false,
  valid: false,
  accept: false,
  json: 'reject',
}

/** Answers every case of one kind. What a case contains never makes it throw. */
export type Answerer = (given: ConformanceCase) => Answer | Promise<Answer>

/** Opens the file of a case. */
export function openCase(root: string, line: CaseLine): ConformanceCase {
  const readFromRoot = (name: string): Buffer => readFileSync(join(root, normalize(name)))
  return {
    ...line,
    bytes: readFromRoot(line.path),
    read: name => readFromRoot(join(dirname(line.path), name)),
    readFromRoot,
  }
}
