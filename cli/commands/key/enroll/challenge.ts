import type { Command } from 'commander'
import {
  beginEnrollment,
  encodePendingEnrollment,
  readAttestationKey,
  tier,
} from '../../../../attestation/index.ts'
import { addCommand, setAction } from '../../../command.ts'
import { enrollmentBytes, readRequest } from '../../../enrollment-files.ts'
import { CliError } from '../../../error.ts'
import { writeDocument } from '../../../files.ts'
import { styled } from '../../../output.ts'
import { addRootOptions, type RootOptions, readRoots } from '../../../roots.ts'
import { tierLabel } from '../../../tier.ts'

interface Options extends RootOptions {
  out: string
  pending: string
}

/** An operator may carry files by hand. */
const ANSWER_WITHIN_MS = 24 * 3600_000

export function addEnrollChallenge(parent: Command): void {
  const command = addCommand(
    parent,
    'challenge <request>',
    "At the operator's, step 2: check the EK certificate, and encrypt a secret to exactly that TPM and key. Needs no TPM.",
    'writ key enroll challenge request.json --hardware-ek-root vendor.pem --out challenge.json --pending pending.json',
    { file: 'text', pending: 'text', hostId: 'hex', tier: 'text', expires: 'time' },
  )
    .requiredOption('--out <file>', 'where the challenge for the host is written; nothing is overwritten')
    .requiredOption('--pending <file>', 'where the secret is kept until the answer (mode 0600); stays here')
  addRootOptions(command)
  setAction<Options>(command, async ({ args, options, output }) => {
    const request = await readRequest(args[0] ?? '')
    const roots = await readRoots(options)
    if (roots === null)
      throw new CliError(
        'USAGE',
        'give the root that the EK certificate has to lead to: --ek-root or --hardware-ek-root',
      )
    const { challenge, pending, ek } = beginEnrollment(
      request,
      {
        hardwareRoots: roots.hardware,
        otherRoots: roots.other,
        intermediates: request.ekIntermediates,
        at: new Date(),
      },
      ANSWER_WITHIN_MS,
    )
    await writeDocument(options.pending, encodePendingEnrollment(pending), { mode: 0o600 })
    await writeDocument(options.out, enrollmentBytes('challenge', { ...challenge }))
    const { expires } = pending
    const { name } = readAttestationKey(request.akPublicArea)
    const label = tierLabel(tier(ek))
    output.result({ file: options.out, pending: options.pending, hostId: name, tier: label, expires }, () => [
      `${options.out}  for host ${name.toString('hex')}`,
      `${styled('bold', label)}; the EK certificate leads to a root that you gave`,
      `the answer is taken until ${expires.toISOString()}`,
    ])
    return undefined
  })
}
