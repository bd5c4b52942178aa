import { CliError } from '../error.ts'

/** A revision from the command line. @throws CliError unless it is a whole number of at least 1 */
export function readRevision(text: string): number {
  const revision = Number(text)
  if (/^[1-9][0-9]{0,15}$/.test(text) && Number.isSafeInteger(revision)) return revision
  throw new CliError('USAGE', `a revision is a whole number from 1 on, not ${text}`)
}
