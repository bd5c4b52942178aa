import { WritError } from '../encoding/error.ts'
import { CliError, EXIT, type ExitStatus } from './error.ts'
import { type Output, printable, styledError } from './output.ts'

/** What `--json` prints for malformed evidence, beside the form of the result. */
export const MALFORMED = {
  error: {
    code: 'text',
    message: 'text',
    'at?': 'text: the part at fault',
    'offset?': 'number: the byte of the file at which that part begins',
  },
} as const

/**
 * Reports evidence that cannot be read. That is a finding about whoever sent it, so it is this command's result: the exit status is 1, and
 * with `--json` it stands on standard output.
 *
 * @throws whatever is not about the evidence: a file that is missing, a mistake of this program
 */
export function reportMalformed(error: unknown, output: Output): ExitStatus {
  if (!(error instanceof WritError) || error instanceof CliError) throw error
  const { code, message, at, offset } = error
  if (output.json) output.result({ error: { code, message, at, offset } }, () => [])
  else process.stderr.write(`${styledError('red', 'writ:')} ${printable(message)}\n`)
  return EXIT.refused
}
