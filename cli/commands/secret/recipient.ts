import type { Command } from 'commander'
import {
  encodeRecipient,
  QUOTED_SELECTION,
  recipientBinding,
  recipientExtraData,
} from '../../../attestation/index.ts'
import { hostId } from '../../../attestation/tpm2/index.ts'
import { addCommand, setAction } from '../../command.ts'
import { CliError } from '../../error.ts'
import { readDocument, writeDocument } from '../../files.ts'
import { readHostIdentity } from '../../host.ts'
import { styled } from '../../output.ts'
import { addStateOptions, type StatePlaces, statePath } from '../../state-directory.ts'
import { addTpmOption, type TpmSelection, withTpm } from '../../tpm.ts'

interface Options extends TpmSelection, StatePlaces {
  out: string
}

export function addSecretRecipient(parent: Command): void {
  const command = addCommand(
    parent,
    'recipient',
    "On the host: write what is needed to seal secrets for it, with a quote by its attestation key and the operator's certificate of that. None of it is secret.",
    'writ secret recipient --out host1.json',
    { file: 'text', host: 'text', enrolled: 'boolean: whether a certificate of the host goes with it' },
  ).requiredOption('--out <file>', 'where it is written; nothing is overwritten')
  addStateOptions(command)
  addTpmOption(command)
  setAction<Options>(command, async ({ options, output }) => {
    const { identity, secrets } = await readHostIdentity(options)
    const fields = {
      akPublicArea: identity.akPublicArea,
      ekPublicArea: identity.ekPublicArea,
      secretKeySpki: identity.secretKeySpki,
      counterIndex: identity.secretCounterIndex,
      counterBase: identity.secretCounterBase,
    }
    const quote = await withTpm(options, tpm =>
      tpm.quote({
        ak: { handle: identity.akHandle, name: identity.akName, auth: secrets.akAuth },
        extraData: recipientExtraData(recipientBinding(fields)),
        selection: QUOTED_SELECTION,
        requester: { kind: 'maintenance' },
      }),
    )
    const akCertificate = await certificate(statePath(options.stateDir, 'akCertificate'))
    const { ekCertificate } = identity
    await writeDocument(options.out, encodeRecipient({ ...fields, quote, akCertificate, ekCertificate }))
    const host = hostId(identity)
    const enrolled = akCertificate !== null
    output.result({ file: options.out, host, enrolled }, () => [
      `${options.out}  host ${host}`,
      ...(enrolled
        ? []
        : [styled('yellow', 'not enrolled: nothing shows which TPM this is (writ key enroll)')]),
    ])
    return undefined
  })
}

async function certificate(path: string): Promise<Buffer | null> {
  try {
    return await readDocument(path, "the host's certificate")
  } catch (error) {
    if (error instanceof CliError && error.code === 'FILE_MISSING') return null
    throw error
  }
}
