import { CliError } from './error.ts'

const FIRST_MS = Date.parse('0001-01-01T00:00:00.000Z')
const LAST_MS = Date.parse('9999-12-31T23:59:59.999Z')
const TIME_OF_DAY = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d))?$/

/**
 * An instant as documents have it: RFC 3339 in UTC with milliseconds.
 *
 * @param text a date, which begins at midnight in UTC, or a time with its zone
 * @param where names the option or the field
 * @throws CliError
 */
export function readInstant(text: string, where: string): string {
  const ms = TIME_OF_DAY.test(text) ? Date.parse(text) : Number.NaN
  if (ms >= FIRST_MS && ms <= LAST_MS) return new Date(ms).toISOString()
  throw new CliError(
    'USAGE',
    `${where} takes a time such as 2027-11-21 or 2027-11-21T02:00:00Z, not ${JSON.stringify(text)}`,
  )
}

const AGO = /^([0-9]{1,9})(ms|s|m|h|d|w)$/
const UNIT_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 7 * 86_400_000 } as const
const DAY_MS = UNIT_MS.d

/**
 * An instant that somebody looks back to: as {@link readInstant} takes it; `2h` for that long ago (ms, s, m, h, d, w); `today` and `yesterday`, which
 * begin at midnight in UTC; or `now`.
 *
 * @param where names the option
 * @returns milliseconds since the epoch
 * @throws CliError
 */
export function readPastInstant(text: string, where: string, nowMs: number = Date.now()): number {
  const midnight = nowMs - (nowMs % DAY_MS)
  if (text === 'now') return nowMs
  if (text === 'today') return midnight
  if (text === 'yesterday') return midnight - DAY_MS
  const [, count, unit] = AGO.exec(text) ?? []
  if (count !== undefined) return nowMs - Number(count) * UNIT_MS[unit as keyof typeof UNIT_MS]
  if (!TIME_OF_DAY.test(text)) {
    throw new CliError(
      'USAGE',
      `${where} takes a time such as 2027-11-21T02:00:00Z, 2027-11-21, 2h, today or yesterday, not ${JSON.stringify(text)}`,
    )
  }
  return Date.parse(readInstant(text, where))
}
