import { WritError } from '../encoding/error.ts'

export type ConfigErrorCode =
  | 'CONFIG_UNREADABLE'
  | 'CONFIG_UNSAFE'
  | 'CONFIG_SYNTAX'
  | 'CONFIG_UNKNOWN_KEY'
  | 'CONFIG_MISSING_KEY'
  | 'CONFIG_BAD_VALUE'

/** One thing that is wrong with a configuration file. */
export interface ConfigProblem {
  readonly code: ConfigErrorCode
  /** Without the key and the place, such as `has to be an absolute path`. */
  readonly message: string
  /** `section.key`, or a key of a file without sections; undefined if it is not about one. */
  readonly key: string | undefined
  /** From 1; undefined where it cannot be said. */
  readonly line: number | undefined
}

/** The configuration cannot be used. `key` and `line` are those of {@link ConfigProblem}. */
export class ConfigError extends WritError<ConfigErrorCode> {
  readonly key: string | undefined
  readonly line: number | undefined

  constructor(
    code: ConfigErrorCode,
    message: string,
    place: { key?: string | undefined; line?: number | undefined; cause?: unknown } = {},
  ) {
    const where = place.line === undefined ? '' : `line ${place.line}: `
    super(code, `${where}${sayProblem({ key: place.key, message })}`, { at: place.key, cause: place.cause })
    this.key = place.key
    this.line = place.line
  }
}

/** A problem without its place: key and message. */
export function sayProblem({ key, message }: Pick<ConfigProblem, 'key' | 'message'>): string {
  return key === undefined ? message : `${key} ${message}`
}

/** Most problems that are collected of one file: whoever writes it decides how many there are. */
const MAX_PROBLEMS = 100

/** Collects problems of one file, as many as are worth reading. */
export class Problems {
  readonly list: ConfigProblem[] = []

  /** Whether more would be dropped. */
  get full(): boolean {
    return this.list.length >= MAX_PROBLEMS
  }

  add(
    code: ConfigErrorCode,
    message: string,
    place: { key?: string | undefined; line?: number | undefined } = {},
  ): void {
    if (!this.full) this.list.push({ code, message, key: place.key, line: place.line })
  }
}
