import { unlink } from 'node:fs/promises'
import type { Command } from 'commander'
import {
  completeEnrollment,
  parsePendingEnrollment,
  readAttestationKey,
} from '../../../../attestation/index.ts'
import { addCommand, setAction } from '../../../command.ts'
import { readAnswer } from '../../../enrollment-files.ts'
import { CliError } from '../../../error.ts'
import { readAs, writeDocument } from '../../../files.ts'
import { addPassphraseOptions, type PassphraseOptions, readSigningKey } from '../../../keys.ts'
import { duration } from '../../../workload.ts'

interface Options extends PassphraseOptions {
  pending: string
  key: string
  valid: number
  out: string
}

export function addEnrollCertify(parent: Command): void {
  const command = addCommand(
    parent,
    'certify <answer>',
    "At the operator's, step 4: if the answer is right, certify the attestation key. The pending file is used up either way.",
    `writ key enroll certify answer.json --pending pending.json --key operator.key \\
     --out ak-certificate.der`,
    { file: 'text', hostId: 'hex', signer: 'digest: id of the key' },
  )
    .requiredOption('--pending <file>', 'what `challenge` kept')
    .requiredOption('--key <file>', "the operator's private key")
    .requiredOption('--out <file>', 'where the certificate (DER) is written; nothing is overwritten')
    .option('--valid <duration>', 'how long the certificate is valid', duration('--valid'), 365 * 86_400)
  addPassphraseOptions(command)
  setAction<Options>(command, async ({ args, options, output }) => {
    const answer = await readAnswer(args[0] ?? '')
    const pending = await readAs(options.pending, 'a pending enrollment', parsePendingEnrollment)
    const key = await readSigningKey(options.key, "the operator's key", options)
    // X.509 has whole seconds.
    const at = new Date(Math.floor(Date.now() / 1000) * 1000)
    const ak = readAttestationKey(pending.akPublicArea)
    // One answer for one challenge: a second guess must not be possible.
    await unlink(options.pending)
    const certificate = await completeEnrollment(pending, answer, key, {
      at,
      notAfter: new Date(at.getTime() + options.valid * 1000),
    }).catch((cause: unknown) => {
      throw new CliError(
        'NOT_VERIFIED',
        `not certified: ${cause instanceof Error ? cause.message : String(cause)}`,
        {
          cause,
          next: 'Begin again with `writ key enroll challenge`.',
        },
      )
    })
    await writeDocument(options.out, certificate)
    output.result({ file: options.out, hostId: ak.name, signer: key.public.id }, () => [
      `${options.out}  certificate of host ${ak.name.toString('hex')}`,
      'put it on the host: writ key enroll install',
    ])
    return undefined
  })
}
