import type { ConfigErrorCode } from '../../configuration/problem.ts'

export type FindingCode =
  | ConfigErrorCode
  /** A file that the configuration names is not there, or not what it has to be. */
  | 'FILE_UNUSABLE'
  /** The daemon's user may not do with a file what it has to. */
  | 'FILE_NO_ACCESS'
  /** Somebody who must not can write a file, or what leads to it. */
  | 'FILE_UNSAFE'
  /** The two configuration files do not fit each other, or the unit of the socket does not fit them. */
  | 'FILES_DISAGREE'

/** One thing to be said of a configuration. An error keeps the daemon from starting or from being safe. */
export interface Finding {
  readonly severity: 'error' | 'warning'
  readonly code: FindingCode
  /** The configuration file that it is about. */
  readonly file: string
  /** From 1; null where it cannot be said. */
  readonly line: number | null
  readonly key: string | null
  readonly message: string
}

/** Collects findings about one configuration file. */
export class Findings {
  readonly list: Finding[] = []
  readonly #file: string
  readonly #lineOf: (key: string) => number | undefined

  /** @param lineOf where a key is set */
  constructor(file: string, lineOf: (key: string) => number | undefined) {
    this.#file = file
    this.#lineOf = lineOf
  }

  error(code: FindingCode, key: string | null, message: string, line?: number): void {
    this.#add('error', code, key, message, line)
  }

  warn(code: FindingCode, key: string | null, message: string): void {
    this.#add('warning', code, key, message)
  }

  #add(severity: Finding['severity'], code: FindingCode, key: string | null, message: string, line?: number) {
    const at = line ?? (key === null ? undefined : this.#lineOf(key)) ?? null
    this.list.push({ severity, code, file: this.#file, line: at, key, message })
  }
}

/** As compilers say it: `FILE:LINE: error: KEY MESSAGE`. */
export function findingText({ severity, file, line, key, message }: Finding): string {
  return `${file}${line === null ? '' : `:${line}`}: ${severity}: ${key === null ? '' : `${key} `}${message}`
}
