import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs'
import { parse, TomlError } from 'smol-toml'
import * as v from 'valibot'
import { WritError } from '../encoding/error.ts'
import { utf8ToString } from '../encoding/text.ts'
import { type Config, CROSS_RULES, camelKeys, KNOWN_KEYS, sections } from './config-schema.ts'

export type { Config } from './config-schema.ts'

export type ConfigErrorCode =
  | 'CONFIG_UNREADABLE'
  | 'CONFIG_UNSAFE'
  | 'CONFIG_SYNTAX'
  | 'CONFIG_UNKNOWN_KEY'
  | 'CONFIG_MISSING_KEY'
  | 'CONFIG_BAD_VALUE'

/** The configuration cannot be used. `key` is `section.key`; `line` counts from 1, where it can be said. */
export class ConfigError extends WritError<ConfigErrorCode> {
  readonly key: string | undefined
  readonly line: number | undefined

  constructor(
    code: ConfigErrorCode,
    message: string,
    place: { key?: string; line?: number; cause?: unknown } = {},
  ) {
    const where = place.line === undefined ? '' : `line ${place.line}: `
    const what = place.key === undefined ? '' : `${place.key} `
    super(code, `${where}${what}${message}`, { at: place.key, cause: place.cause })
    this.key = place.key
    this.line = place.line
  }
}

const MAX_BYTES = 1 << 20

/**
 * Reads the configuration file. Whoever can write it decides what the daemon enforces, so it has to belong to root or to the
 * daemon's user and be writable by nobody else.
 *
 * @throws ConfigError
 */
export function readConfig(path: string): Config {
  const bytes = readSafely(path)
  try {
    return parseConfig(bytes)
  } catch (error) {
    if (error instanceof ConfigError)
      error.message = `${path}${error.line === undefined ? ':' : ','} ${error.message}`
    throw error
  }
}

function readSafely(path: string): Buffer {
  let fd: number
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (cause) {
    throw new ConfigError('CONFIG_UNREADABLE', `${path} cannot be opened`, { cause })
  }
  try {
    const stat = fstatSync(fd)
    if (!stat.isFile()) throw new ConfigError('CONFIG_UNREADABLE', `${path} is not a regular file`)
    if ((stat.mode & 0o022) !== 0) {
      throw new ConfigError('CONFIG_UNSAFE', `${path} can be written by others than its owner`)
    }
    if (stat.uid !== 0 && stat.uid !== process.geteuid?.()) {
      throw new ConfigError(
        'CONFIG_UNSAFE',
        `${path} belongs to uid ${stat.uid}, neither root nor this process`,
      )
    }
    if (stat.size > MAX_BYTES)
      throw new ConfigError('CONFIG_SYNTAX', `${path} has more than ${MAX_BYTES} bytes`)
    return readFileSync(fd)
  } finally {
    closeSync(fd)
  }
}

/**
 * Checks a configuration: TOML → known sections and keys → each value → the rules between them. Defaults are filled in.
 *
 * @throws ConfigError for the first thing that is wrong
 */
export function parseConfig(bytes: Uint8Array): Config {
  const text = decode(bytes)
  const table = parseToml(text)
  refuseUnknown(table, text)
  const config = checkValues(table, text)
  for (const rule of CROSS_RULES) {
    if (!rule.holds(config)) throw fault('CONFIG_BAD_VALUE', rule.key, rule.message, text)
  }
  return config
}

function decode(bytes: Uint8Array): string {
  try {
    return utf8ToString(bytes, 'configuration')
  } catch (cause) {
    throw new ConfigError('CONFIG_SYNTAX', 'the file is not UTF-8', { cause })
  }
}

function parseToml(text: string): Record<string, unknown> {
  try {
    return parse(text, { maxDepth: 8 })
  } catch (cause) {
    if (!(cause instanceof TomlError))
      throw new ConfigError('CONFIG_SYNTAX', 'the file is not TOML', { cause })
    const [what = 'not TOML'] = cause.message.replace(/^Invalid TOML document: /, '').split('\n')
    throw new ConfigError('CONFIG_SYNTAX', what, { line: cause.line, cause })
  }
}

function refuseUnknown(table: Record<string, unknown>, text: string): void {
  for (const [name, section] of Object.entries(table)) {
    const known = Object.hasOwn(KNOWN_KEYS, name) ? KNOWN_KEYS[name as keyof Config] : undefined
    if (known === undefined) throw unknown(name, Object.keys(KNOWN_KEYS), '', text)
    if (!isTable(section)) throw fault('CONFIG_BAD_VALUE', name, 'has to be a section', text)
    for (const key of Object.keys(section)) {
      if (!known.includes(key)) throw unknown(key, known, `${name}.`, text)
    }
  }
}

function checkValues(table: Record<string, unknown>, text: string): Config {
  const config: Record<string, object> = {}
  for (const [name, schema] of Object.entries(sections)) {
    const result = v.safeParse(schema as v.GenericSchema<unknown, object>, table[name] ?? {})
    if (!result.success) throw badValue(name, result.issues[0], text)
    config[name] = camelKeys(result.output)
  }
  return config as unknown as Config
}

function badValue(section: string, issue: v.BaseIssue<unknown>, text: string): ConfigError {
  const [first, ...inside] = (issue.path ?? []).map(item => item.key)
  const key = first === undefined ? section : `${section}.${String(first)}`
  if (issue.input === undefined && inside.length === 0) {
    return new ConfigError('CONFIG_MISSING_KEY', 'has to be set', { key })
  }
  const item = inside.map(index => `item ${Number(index) + 1} `).join('')
  return fault('CONFIG_BAD_VALUE', key, item + sayIssue(issue), text)
}

/** What our own rules say they say themselves; for the rest valibot's message is made to read like them. */
function sayIssue(issue: v.BaseIssue<unknown>): string {
  if (issue.kind === 'validation') return issue.message
  if (issue.type === 'picklist') return `has to be one of ${issue.expected}`
  return `has to be ${issue.expected}, not ${issue.received}`
}

function unknown(name: string, known: readonly string[], prefix: string, text: string): ConfigError {
  const [nearest] = known
    .map(other => ({ other, distance: editDistance(name.slice(0, 64), other) }))
    .filter(({ other, distance }) => distance <= Math.max(2, Math.floor(other.length / 3)))
    .sort((a, b) => a.distance - b.distance)
  const hint = nearest === undefined ? '' : `; did you mean ${prefix}${nearest.other}?`
  return fault('CONFIG_UNKNOWN_KEY', `${prefix}${name}`, `is not a known key${hint}`, text)
}

function fault(code: ConfigErrorCode, key: string, message: string, text: string): ConfigError {
  const line = lineOf(text, key)
  return new ConfigError(code, message, line === undefined ? { key } : { key, line })
}

/** The line that sets `section.key`, or opens `section`; undefined for spellings that a simple look does not find. */
function lineOf(text: string, dotted: string): number | undefined {
  const [section = '', key] = dotted.split('.')
  let current = ''
  for (const [index, line] of text.split('\n').entries()) {
    const header = /^\s*\[\s*([\w-]+)\s*\]/.exec(line)?.[1]
    if (header !== undefined) current = header
    if (key === undefined ? header === section : current === section && keyOfLine(line) === key)
      return index + 1
    if (current === '' && [dotted, section].includes(keyOfLine(line) ?? '')) return index + 1
  }
  return undefined
}

function keyOfLine(line: string): string | undefined {
  return /^\s*"?([\w.-]+)"?\s*=/.exec(line)?.[1]
}

/** Levenshtein's distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 0; i < a.length; i++) {
    const next = [i + 1]
    for (let j = 0; j < b.length; j++) {
      const replace = (row[j] ?? 0) + (a[i] === b[j] ? 0 : 1)
      next.push(Math.min(replace, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date)
}
