import type { Command } from 'commander'
import { addCommand, setAction } from '../../../command.ts'
import { enrollmentBytes } from '../../../enrollment-files.ts'
import { CliError } from '../../../error.ts'
import { writeDocument } from '../../../files.ts'
import { readPublicIdentity } from '../../../host.ts'
import { DEFAULT_STATE_DIRECTORY } from '../../../state-directory.ts'

export function addEnrollRequest(parent: Command): void {
  const command = addCommand(
    parent,
    'request',
    'On the host, step 1: write what the operator needs to know of its TPM.',
    'writ key enroll request --out request.json',
    { file: 'text' },
  )
    .option('--state-dir <directory>', "the daemon's state directory", DEFAULT_STATE_DIRECTORY)
    .requiredOption('--out <file>', 'where the request is written; nothing is overwritten')
  setAction<{ stateDir: string; out: string }>(command, async ({ options, output }) => {
    const identity = await readPublicIdentity(options.stateDir)
    const { akPublicArea, ekCertificate, ekIntermediates } = identity
    if (ekCertificate === null) {
      throw new CliError('HOST_UNFIT', 'this TPM has no EK certificate, so nothing ties the host to a TPM', {
        next: 'Ask the maker of the TPM for the certificate.',
      })
    }
    await writeDocument(
      options.out,
      enrollmentBytes('request', { akPublicArea, ekCertificate, ekIntermediates }),
    )
    output.result({ file: options.out }, () => [
      `${options.out}  for the operator: writ key enroll challenge`,
    ])
    return undefined
  })
}
