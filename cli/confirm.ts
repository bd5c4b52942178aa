import { createInterface } from 'node:readline/promises'
import { CliError } from './error.ts'

/**
 * Shows a person before the terminal what is about to be done, and does not go on without a yes. On standard error, so that standard output has
 * the result alone.
 *
 * @param yes `--yes` was given: nobody is asked
 * @param without what is said without a yes
 * @throws CliError without a terminal, or without a yes
 */
export async function confirm(
  lines: readonly string[],
  question: string,
  yes: boolean,
  without = 'nothing was signed',
): Promise<void> {
  process.stderr.write(lines.map(line => `${line}\n`).join(''))
  if (yes) return
  if (!process.stdin.isTTY) {
    throw new CliError('USAGE', 'there is no terminal to ask at', {
      next: 'Give --yes if nobody has to be asked.',
    })
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  try {
    if (/^y(?:es)?$/i.test((await terminal.question(`${question} [y/N] `)).trim())) return
  } finally {
    terminal.close()
  }
  throw new CliError('NOT_CONFIRMED', without)
}
