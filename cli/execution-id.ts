import { CliError } from './error.ts'

/** Reads the id of an execution: 16 bytes that the daemon drew, in hexadecimal. @throws CliError */
export function readExecutionId(text: string): string {
  if (/^[0-9a-f]{32}$/.test(text)) return text
  throw new CliError(
    'USAGE',
    `an execution is named by 32 lower-case hexadecimal digits, not ${JSON.stringify(text)}`,
    { next: '`writ executions` lists them.' },
  )
}
