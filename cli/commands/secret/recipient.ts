import type { Command } from 'commander'
import { hostId } from '../../../attestation/tpm2/index.ts'
import { addCommand, setAction } from '../../command.ts'
import { writeDocument } from '../../files.ts'
import { readPublicIdentity } from '../../host.ts'
import { recipientBytes } from '../../secret-files.ts'
import { DEFAULT_STATE_DIRECTORY } from '../../state-directory.ts'

export function addSecretRecipient(parent: Command): void {
  const command = addCommand(
    parent,
    'recipient',
    'On the host: write what is needed to seal secrets for it. None of it is secret; bring it over a way that you trust.',
    'writ secret recipient --out host1.json',
    { file: 'text', host: 'text' },
  )
    .option('--state-dir <directory>', "the daemon's state directory", DEFAULT_STATE_DIRECTORY)
    .requiredOption('--out <file>', 'where it is written; nothing is overwritten')
  setAction<{ stateDir: string; out: string }>(command, async ({ options, output }) => {
    const identity = await readPublicIdentity(options.stateDir)
    const host = hostId(identity)
    const bytes = recipientBytes({
      host,
      ekPublicArea: identity.ekPublicArea.toString('base64'),
      secretKeySpki: identity.secretKeySpki.toString('base64'),
      counterIndex: identity.secretCounterIndex,
      counterBase: identity.secretCounterBase.toString(),
    })
    await writeDocument(options.out, bytes)
    output.result({ file: options.out, host }, () => [`${options.out}  host ${host}`])
    return undefined
  })
}
