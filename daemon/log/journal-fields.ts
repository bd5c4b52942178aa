import { EVENTS, isEvent } from './event.ts'
import type { JournalField } from './journal-entry.ts'

/** Most characters of MESSAGE, and of any other value: an entry stays far below the size of a datagram. */
const MAX_MESSAGE = 2048
const MAX_VALUE = 1024
/** Most values of one field, such as reasons. */
const MAX_VALUES = 32

/** syslog(3) priorities of pino's levels. */
const PRIORITIES: readonly (readonly [level: number, priority: string])[] = [
  [60, '2'],
  [50, '3'],
  [40, '4'],
  [30, '6'],
  [0, '7'],
]

/** What a log object's keys are in the journal, where each has a field of its own. */
const NAMES: Readonly<Record<string, string>> = {
  executionId: 'WRIT_EXECUTION',
  decision: 'WRIT_DECISION',
  entry: 'WRIT_ENTRY',
  to: 'WRIT_STATE',
  from: 'WRIT_STATE_BEFORE',
  epoch: 'WRIT_EPOCH',
  reason: 'WRIT_REASON',
  reasons: 'WRIT_REASON',
  cause: 'WRIT_CAUSE',
  exitCode: 'WRIT_EXIT_CODE',
  signal: 'WRIT_SIGNAL',
  uid: 'WRIT_CALLER_UID',
  unit: 'WRIT_CALLER_UNIT',
  program: 'WRIT_PROGRAM',
  issuer: 'WRIT_ISSUER',
  host: 'WRIT_HOST',
  tier: 'WRIT_TIER',
  code: 'WRIT_CODE',
  dropped: 'WRIT_DROPPED',
}
/** Of pino, and said by fields of the journal's own. */
const BASE = new Set(['level', 'time', 'pid', 'hostname', 'name', 'msg', 'event'])

/**
 * What a line of the log is as an entry of the journal: MESSAGE says all of it for a reader, and what one searches for has a field.
 *
 * @param line an object as pino writes it; its values may come from callers
 */
export function journalFields(line: Readonly<Record<string, unknown>>): JournalField[] {
  const level = typeof line.level === 'number' ? line.level : 30
  const fields: JournalField[] = [
    ['MESSAGE', messageOf(line)],
    ['PRIORITY', PRIORITIES.find(([least]) => level >= least)?.[1] ?? '6'],
    ['SYSLOG_IDENTIFIER', 'writd'],
  ]
  if (isEvent(line.event)) fields.push(['MESSAGE_ID', EVENTS[line.event]])
  for (const [key, value] of Object.entries(line)) {
    const name = Object.hasOwn(NAMES, key) ? NAMES[key] : undefined
    if (name === undefined) continue
    for (const one of (Array.isArray(value) ? value : [value]).slice(0, MAX_VALUES)) {
      const text = codeOf(one)
      if (text !== null) fields.push([name, text.slice(0, MAX_VALUE)])
    }
  }
  return fields
}

/** A reason is searched for by its code. */
function codeOf(value: unknown): string | null {
  if (value === null || value === undefined) return null
  if (typeof value !== 'object') return String(value)
  return 'code' in value && typeof value.code === 'string' ? value.code : null
}

function messageOf(line: Readonly<Record<string, unknown>>): string {
  const rest = Object.entries(line).flatMap(([key, value]) => {
    if (BASE.has(key) || value === null || value === undefined) return []
    return [`${key} ${sayValue(value)}`]
  })
  const text = [textOf(line.msg ?? ''), ...(rest.length === 0 ? [] : [`(${rest.join(', ')})`])].join(' ')
  return oneLine(text).slice(0, MAX_MESSAGE)
}

function sayValue(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.map(sayValue).join('; ')
  if (typeof value !== 'object' || value === null) return String(value)
  const { code, message } = value as { code?: unknown; message?: unknown }
  if (message === undefined) return JSON.stringify(value)
  return code === undefined ? textOf(message) : `${textOf(code)}: ${textOf(message)}`
}

/** Not by String(), which throws for an object with a `toString` that is none. */
function textOf(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '')
}

/** For a reader a message is one line, and nothing in it moves the cursor. */
export function oneLine(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    character => `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`,
  )
}
