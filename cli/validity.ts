import { CliError } from './error.ts'
import { duration } from './workload.ts'

/** The years that a time of a document can be written with: four digits (RFC 3339 section 5.6). */
const FIRST_MS = Date.parse('0000-01-01T00:00:00.000Z')
const LAST_MS = Date.parse('9999-12-31T23:59:59.999Z')

/** What a command is given of how long something is valid: `--not-before` and `--valid`, in seconds. */
export interface ValidityOptions {
  notBefore?: string
  valid: number
}

/** From `--not-before`, or else now, for as long as `--valid` says. @throws CliError */
export function readValidity({ notBefore, valid }: ValidityOptions): { notBefore: string; notAfter: string } {
  const start = notBefore === undefined ? Date.now() : Date.parse(notBefore)
  if (!(start >= FIRST_MS && start <= LAST_MS)) {
    throw new CliError('USAGE', `--not-before takes a time, not ${JSON.stringify(notBefore)}`)
  }
  const end = start + valid * 1000
  if (end > LAST_MS) throw new CliError('USAGE', '--valid reaches beyond the year 9999')
  return { notBefore: new Date(start).toISOString(), notAfter: new Date(end).toISOString() }
}

/** As {@link ValidityOptions}, where either end may be left open by saying so. */
export interface OpenValidityOptions {
  notBefore?: string
  valid: number | 'any'
}

/** Reads what `--valid` is given where it may be `any`. */
export function durationOrAny(option: string): (value: string) => number | 'any' {
  const read = duration(option)
  return value => (value === 'any' ? value : read(value))
}

/** As {@link readValidity}; without `--not-before` the beginning is open. @throws CliError */
export function readOpenValidity({ notBefore, valid }: OpenValidityOptions): {
  notBefore: string
  notAfter: string
} {
  const start = notBefore === 'any' ? undefined : notBefore
  const closed = readValidity({
    ...(start === undefined ? {} : { notBefore: start }),
    valid: valid === 'any' ? 1 : valid,
  })
  return {
    notBefore: start === undefined ? 'any' : closed.notBefore,
    notAfter: valid === 'any' ? 'any' : closed.notAfter,
  }
}

/** How long a document is valid, in a line. */
export function validityLine({ notBefore, notAfter }: { notBefore: string; notAfter: string }): string {
  if (notBefore === 'any' && notAfter === 'any') return 'valid at any time'
  const from = notBefore === 'any' ? '' : ` from ${notBefore}`
  const until = notAfter === 'any' ? '' : ` until ${notAfter}`
  return `valid${from}${until}`
}
