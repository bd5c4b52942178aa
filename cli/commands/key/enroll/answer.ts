import type { Command } from 'commander'
import { addCommand, setAction } from '../../../command.ts'
import { enrollmentBytes, readChallenge } from '../../../enrollment-files.ts'
import { writeDocument } from '../../../files.ts'
import { readHostIdentity } from '../../../host.ts'
import { addStateOptions, type StatePlaces } from '../../../state-directory.ts'
import { addTpmOption, type TpmSelection, withTpm } from '../../../tpm.ts'

interface Options extends TpmSelection, StatePlaces {
  out: string
}

export function addEnrollAnswer(parent: Command): void {
  const command = addCommand(
    parent,
    'answer <challenge>',
    'On the host, step 3: have the TPM open the challenge, which shows that it holds both keys.',
    'writ key enroll answer challenge.json --out answer.json',
    { file: 'text' },
  ).requiredOption('--out <file>', 'where the answer for the operator is written; nothing is overwritten')
  addStateOptions(command)
  addTpmOption(command)
  setAction<Options>(command, async ({ args, options, output }) => {
    const challenge = await readChallenge(args[0] ?? '')
    const { identity, secrets } = await readHostIdentity(options)
    const secret = await withTpm(options, tpm =>
      tpm.activateCredential({
        ak: { handle: identity.akHandle, name: identity.akName, auth: secrets.akAuth },
        ekHandle: identity.ekHandle,
        ...challenge,
      }),
    )
    await writeDocument(options.out, enrollmentBytes('answer', { secret }), { mode: 0o600 })
    output.result({ file: options.out }, () => [`${options.out}  for the operator: writ key enroll certify`])
    return undefined
  })
}
