import { parse, TomlError } from 'smol-toml'
import { WritError } from '../../encoding/error.ts'
import { type TomlValue, tomlLine } from './toml-value.ts'

export type TomlEditErrorCode =
  /** The text is not TOML. */
  | 'TOML_SYNTAX'
  /** The key is set in a way that cannot be changed line by line: over several lines, twice, in an inline table. */
  | 'TOML_NOT_EDITABLE'

/** Why a file could not be changed key by key. `at` has the key. */
export class TomlEditError extends WritError<TomlEditErrorCode> {}

type Table = Readonly<Record<string, unknown>>

/**
 * Sets keys in a TOML text and leaves everything else as it is, byte for byte: comments, order, what other keys say. A key that is set has
 * its line replaced; one that is commented out (`#key = …`) gets a line below that; any other is added at the end of its section, and a
 * section that is not there at the end of the text. What came out is read again, and nothing else may have changed.
 *
 * @param text controlled by whoever wrote the file
 * @param changes values by `section.key`
 * @throws TomlEditError
 */
export function setTomlKeys(text: string, changes: ReadonlyMap<string, TomlValue>): string {
  const before = read(text)
  let lines = text.split('\n')
  for (const [name, value] of changes) lines = setKey(lines, name, value)
  const after = lines.join('\n')
  const wanted = structuredClone(before) as Record<string, Record<string, unknown>>
  for (const [name, value] of changes) {
    const [section, key] = split(name)
    wanted[section] = { ...wanted[section], [key]: value }
  }
  if (canonical(read(after)) !== canonical(wanted)) {
    const [first] = changes.keys()
    throw new TomlEditError(
      'TOML_NOT_EDITABLE',
      'the text is written in a way that cannot be changed key by key',
      {
        at: first,
      },
    )
  }
  return after
}

function read(text: string): Table {
  try {
    return parse(text, { maxDepth: 8 })
  } catch (cause) {
    if (!(cause instanceof TomlError))
      throw new TomlEditError('TOML_SYNTAX', 'the text is not TOML', { cause })
    const why = cause.message.replace(/^Invalid TOML document: /, '').split('\n')[0] ?? ''
    throw new TomlEditError('TOML_SYNTAX', why, { at: `line ${cause.line}`, cause })
  }
}

function setKey(lines: readonly string[], name: string, value: TomlValue): string[] {
  const [section, key] = split(name)
  const line = tomlLine(key, value)
  const start = lines.findIndex(text => headerOf(text) === section)
  if (start < 0) {
    const end = lines.at(-1) === '' ? lines.slice(0, -1) : [...lines]
    return [...end, ...(end.length === 0 ? [] : ['']), `[${section}]`, line, '']
  }
  const next = lines.findIndex((text, i) => i > start && headerOf(text) !== null)
  const end = next < 0 ? lines.length : next
  const own = (pattern: RegExp) => lines.findIndex((text, i) => i > start && i < end && pattern.test(text))
  const set = own(new RegExp(`^[ \\t]*"?${key}"?[ \\t]*=`))
  if (set >= 0) {
    if (!isWhole(lines[set] ?? '')) throw notEditable(name)
    return lines.toSpliced(set, 1, line)
  }
  const off = own(new RegExp(`^#[ \\t]*${key}[ \\t]*=`))
  if (off >= 0) return lines.toSpliced(off + 1, 0, line)
  let last = end
  while (last > start + 1 && (lines[last - 1] ?? '').trim() === '') last--
  return lines.toSpliced(last, 0, line)
}

/** The section that a line opens; null if it opens none. */
function headerOf(line: string): string | null {
  return /^[ \t]*\[[ \t]*"?([\w-]+)"?[ \t]*\][ \t]*(?:#.*)?$/.exec(line)?.[1] ?? null
}

/** Whether a line has the whole of a value. */
function isWhole(line: string): boolean {
  try {
    return Object.keys(parse(line, { maxDepth: 8 })).length === 1
  } catch {
    return false
  }
}

function split(name: string): [section: string, key: string] {
  const [section = '', key = ''] = name.split('.')
  return [section, key]
}

function notEditable(at: string): TomlEditError {
  return new TomlEditError('TOML_NOT_EDITABLE', `${at} is set over several lines`, { at })
}

/** The same text for the same values, whatever the order of keys. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, item: unknown) =>
    typeof item === 'bigint'
      ? `${item}n`
      : item !== null && typeof item === 'object' && !Array.isArray(item) && !(item instanceof Date)
        ? Object.fromEntries(Object.entries(item).toSorted(([a], [b]) => (a < b ? -1 : 1)))
        : item,
  )
}
