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
