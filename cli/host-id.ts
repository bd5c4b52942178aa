import { CliError } from './error.ts'

/** The id of a host: the Name of its AK in hexadecimal (TPM 2.0 Part 1, section 16: hash algorithm, then digest). @throws CliError */
export function readHostId(text: string): string {
  if (/^000b[0-9a-f]{64}$/.test(text)) return text
  throw new CliError('USAGE', '--host takes the id that `writ status` shows: 000b and 64 hexadecimal digits')
}
