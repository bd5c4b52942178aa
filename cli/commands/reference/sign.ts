import type { Command } from 'commander'
import {
  MAX_REFERENCE_BYTES,
  parseReferenceValues,
  REFERENCE_VALUES_TYPE,
} from '../../../attestation/index.ts'
import { signEnvelope } from '../../../signing/dsse.ts'
import { addCommand, setAction } from '../../command.ts'
import { addSigningOptions, type SigningOptions } from '../../documents.ts'
import { readAs, writeDocument } from '../../files.ts'
import { SIGNED_FILE } from '../../form.ts'
import { addPassphraseOptions, type PassphraseOptions, readSigningKey } from '../../keys.ts'

export function addReferenceSign(parent: Command): void {
  const command = addCommand(
    parent,
    'sign <file>',
    'Sign captured reference values: say that a host that is so is as it should be.',
    'writ reference sign captured.json --key operator.key --out reference.json',
    { ...SIGNED_FILE, signer: 'digest: id of the key' },
  )
  addSigningOptions(command)
  addPassphraseOptions(command)
  setAction<SigningOptions & PassphraseOptions>(command, async ({ args, options, output }) => {
    const [path = ''] = args
    const { payload, values } = await readAs(
      path,
      'reference values',
      bytes => ({ payload: bytes, values: parseReferenceValues(bytes) }),
      MAX_REFERENCE_BYTES,
    )
    const key = await readSigningKey(options.key, "the operator's key", options)
    await writeDocument(options.out, signEnvelope(REFERENCE_VALUES_TYPE, payload, [key]))
    output.result({ file: options.out, digest: values.digest, signer: key.public.id }, () => [
      `${options.out}  reference values, signed by ${key.public.id.slice(0, 16)}`,
      `digest ${values.digest}`,
    ])
    return undefined
  })
}
