import type { Command } from 'commander'
import { hexToBytes } from '../../encoding/text.ts'
import { CliError } from '../error.ts'
import { readDocument } from '../files.ts'

/** Options that give a report's nonce. */
export interface NonceOptions {
  nonce?: string
  nonceFile?: string
}

const NONCE_BYTES = 32

/** Adds the options for the nonce; `what` says what it is for. */
export function addNonceOptions(command: Command, what: string): Command {
  return command
    .option('--nonce <hex>', what)
    .option('--nonce-file <file>', 'the same from a file that holds its 32 bytes')
}

/** The nonce that was given, null if none was. @throws CliError unless it is 32 bytes */
export async function readNonce({ nonce, nonceFile }: NonceOptions): Promise<Buffer | null> {
  if (nonce !== undefined && nonceFile !== undefined)
    throw new CliError('USAGE', 'give --nonce or --nonce-file, not both')
  if (nonce !== undefined) {
    if (/^[0-9a-f]{64}$/.test(nonce)) return hexToBytes(nonce)
    throw new CliError('USAGE', '--nonce takes 64 lower-case hexadecimal digits')
  }
  if (nonceFile === undefined) return null
  const bytes = await readDocument(nonceFile, 'a nonce', NONCE_BYTES)
  if (bytes.length === NONCE_BYTES) return bytes
  throw new CliError('FILE_MALFORMED', `${nonceFile} has ${bytes.length} bytes, a nonce has ${NONCE_BYTES}`, {
    at: nonceFile,
  })
}
