import { parse, TomlError } from 'smol-toml'
import * as v from 'valibot'
import { sha256Hex } from '../encoding/digest.ts'
import { canonicalJsonBytes } from '../encoding/json.ts'
import { utf8ToString } from '../encoding/text.ts'
import { KeyLines } from './key-lines.ts'
import { unknownKeyText } from './nearest.ts'
import { ConfigError, type ConfigProblem, Problems } from './problem.ts'
import { type Config, CROSS_RULES, camelCase, type KeyName, KNOWN_KEYS, sections } from './schema.ts'

/** A configuration in which any value may be missing. */
export type PartialConfig = { readonly [S in keyof Config]: Partial<Config[S]> }

/** What a file says. */
export interface ExaminedConfig {
  /** With every default filled in; null if anything is wrong. */
  readonly config: Config | null
  /** All values that are right by themselves, for looking at more of a file that is wrong elsewhere. */
  readonly values: PartialConfig
  /** Everything that is wrong, in the order of the checks. A file that is not TOML has one problem. */
  readonly problems: readonly ConfigProblem[]
  /** The keys that the file sets to a value that is right, and the line of each where it can be said. */
  readonly set: ReadonlyMap<KeyName, number | undefined>
}

/**
 * Looks at writd's configuration: TOML → known sections and keys → each value → the rules between them. Never throws for what the
 * bytes are.
 *
 * @param bytes controlled by whoever wrote the file
 */
export function examineConfig(bytes: Uint8Array): ExaminedConfig {
  const problems = new Problems()
  const text = decode(bytes, problems)
  const table = text === null ? null : parseToml(text, problems)
  if (text === null || table === null) {
    const values = Object.fromEntries(
      Object.keys(sections).map(name => [name, {}]),
    ) as unknown as PartialConfig
    return { config: null, values, problems: problems.list, set: new Map() }
  }
  const lines = new KeyLines(text)
  const known = refuseUnknown(table, lines, problems)
  const set = new Map<KeyName, number | undefined>()
  const { config, good } = checkValues(known, lines, problems, set)
  for (const { key, concerns, message, holds } of CROSS_RULES) {
    // Of a value that is wrong already, more is not said.
    if (![key, ...concerns].every(name => good.has(name)) || holds(config)) continue
    problems.add('CONFIG_BAD_VALUE', message, { key, line: lines.of(key) })
  }
  return { config: problems.list.length === 0 ? config : null, values: config, problems: problems.list, set }
}

/**
 * Checks a configuration as {@link examineConfig} does. Defaults are filled in.
 *
 * @throws ConfigError for the first thing that is wrong
 */
export function parseConfig(bytes: Uint8Array): Config {
  const { config, problems } = examineConfig(bytes)
  const [first] = problems
  if (first !== undefined) throw new ConfigError(first.code, first.message, first)
  if (config === null) throw new Error('a configuration without a problem is one')
  return config
}

/**
 * Names a configuration with every default filled in: SHA-256 of its canonical JSON, which is what the lineage has of it. Two files that
 * mean the same have the same digest.
 */
export function configDigest(config: Config): string {
  return sha256Hex(configBytes(config))
}

/** The canonical JSON (RFC 8785) of a configuration with every default filled in. */
export function configBytes(config: Config): Buffer {
  return canonicalJsonBytes(config)
}

function decode(bytes: Uint8Array, problems: Problems): string | null {
  try {
    return utf8ToString(bytes, 'configuration')
  } catch {
    problems.add('CONFIG_SYNTAX', 'the file is not UTF-8')
    return null
  }
}

function parseToml(text: string, problems: Problems): Record<string, unknown> | null {
  try {
    return parse(text, { maxDepth: 8 })
  } catch (error) {
    if (error instanceof TomlError) {
      const [what = 'not TOML'] = error.message.replace(/^Invalid TOML document: /, '').split('\n')
      problems.add('CONFIG_SYNTAX', what, { line: error.line })
    } else problems.add('CONFIG_SYNTAX', 'the file is not TOML')
    return null
  }
}

type Tables = Readonly<Partial<Record<keyof Config, Record<string, unknown>>>>

/** The sections that are known and are sections. */
function refuseUnknown(table: Record<string, unknown>, lines: KeyLines, problems: Problems): Tables {
  const known: Partial<Record<keyof Config, Record<string, unknown>>> = {}
  for (const [name, section] of Object.entries(table)) {
    const line = lines.of(name)
    if (!isSection(name)) {
      problems.add('CONFIG_UNKNOWN_KEY', unknownKeyText(name, Object.keys(KNOWN_KEYS)), { key: name, line })
    } else if (!isTable(section)) {
      problems.add('CONFIG_BAD_VALUE', 'has to be a section', { key: name, line })
    } else {
      known[name] = section
      for (const key of Object.keys(section)) {
        if (problems.full) return known
        if (KNOWN_KEYS[name].includes(key)) continue
        const place = { key: `${name}.${key}`, line: lines.of(`${name}.${key}`) }
        problems.add('CONFIG_UNKNOWN_KEY', unknownKeyText(key, KNOWN_KEYS[name], `${name}.`), place)
      }
    }
  }
  return known
}

function isSection(name: string): name is keyof Config {
  return Object.hasOwn(KNOWN_KEYS, name)
}

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date)
}

/** Every value by itself. What is wrong is left out of the configuration, which then may not be used. */
function checkValues(
  tables: Tables,
  lines: KeyLines,
  problems: Problems,
  set: Map<KeyName, number | undefined>,
): { config: Config; good: ReadonlySet<string> } {
  const config: Record<string, Record<string, unknown>> = {}
  const good = new Set<string>()
  for (const [section, { entries }] of Object.entries(sections)) {
    const values: Record<string, unknown> = {}
    config[section] = values
    for (const [key, schema] of Object.entries(entries)) {
      const name = `${section}.${key}` as KeyName
      const given = tables[section as keyof Config]?.[key]
      const result = v.safeParse(schema as v.GenericSchema, given)
      if (result.success) {
        if (result.output !== undefined) values[camelCase(key)] = result.output
        good.add(name)
        if (given !== undefined) set.set(name, lines.of(name))
      } else if (given === undefined) {
        problems.add('CONFIG_MISSING_KEY', 'has to be set', { key: name, line: lines.of(section) })
      } else {
        for (const issue of result.issues)
          problems.add('CONFIG_BAD_VALUE', sayIssue(issue), { key: name, line: lines.of(name) })
      }
    }
  }
  return { config: config as unknown as Config, good }
}

/** What our own rules say they say themselves; for the rest valibot's message is made to read like them. */
function sayIssue(issue: v.BaseIssue<unknown>): string {
  const item = (issue.path ?? []).map(({ key }) => `item ${Number(key) + 1} `).join('')
  if (issue.kind === 'validation') return item + issue.message
  if (issue.type === 'picklist') return `${item}has to be one of ${issue.expected}`
  return `${item}has to be ${issue.expected}, not ${issue.received}`
}
