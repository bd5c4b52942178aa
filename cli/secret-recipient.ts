import type { Command } from 'commander'
import {
  parseRecipient,
  type Recipient,
  verifyEnrolledRecipient,
  verifyRecipientQuote,
} from '../attestation/index.ts'
import { WritError } from '../encoding/error.ts'
import type { PublicKey } from '../signing/key.ts'
import { CliError } from './error.ts'
import { readAs } from './files.ts'
import { styled } from './output.ts'

/** What shows whose a recipient is. */
export interface ProofOptions {
  operatorKey?: string
  unproven?: boolean
}

/** Adds the options that say whose word is taken for a recipient. */
export function addProofOptions(command: Command, whose: string): Command {
  return command
    .option('--operator-key <file>', whose)
    .option(
      '--unproven',
      'take recipients of hosts that nobody enrolled: whoever made such a file can be the one who reads the secret',
    )
}

/**
 * Reads what hosts handed out, and verifies each of them.
 *
 * @param operator whose certificates show which TPM a host has; null: that is left unproven, and each file is only shown to be of one piece
 * @throws CliError `NOT_VERIFIED`
 */
export async function readRecipients(
  paths: readonly string[],
  operator: PublicKey | null,
): Promise<Recipient[]> {
  const found = await Promise.all(paths.map(path => readRecipient(path, operator)))
  const twice = found.find(({ host }, i) => found.findIndex(other => other.host === host) !== i)
  if (twice !== undefined) throw new CliError('USAGE', `two recipients are host ${twice.host}`)
  return found
}

async function readRecipient(path: string, operator: PublicKey | null): Promise<Recipient> {
  const what = 'what a host handed out for secrets'
  const recipient = await readAs(path, what, parseRecipient)
  try {
    if (operator === null) verifyRecipientQuote(recipient)
    else verifyEnrolledRecipient(recipient, operator, new Date())
  } catch (cause) {
    if (!(cause instanceof WritError)) throw cause
    throw new CliError(
      'NOT_VERIFIED',
      `${path} does not show whose it is: ${cause.message} [${cause.code}]`,
      {
        at: path,
        cause,
      },
    )
  }
  return recipient
}

/** What is said of recipients that were taken as they are. */
export function unprovenLine(unproven: boolean): string[] {
  return unproven ? [styled('yellow', 'not proven: that these hosts are the ones that you mean')] : []
}
