import type { Command } from 'commander'
import { addCommand, setAction } from '../../command.ts'
import { addSigningOptions, type SigningOptions } from '../../documents.ts'
import { SIGNED_FILE } from '../../form.ts'
import { addSignerOptions, readSigner, type SignerOptions } from '../../keys.ts'
import { printable, styledError } from '../../output.ts'
import { signReferenceFile } from '../../reference/sign.ts'
import { openings } from '../../reference/words.ts'

export function addReferenceSign(parent: Command): void {
  const command = addCommand(
    parent,
    'sign <file>',
    'Sign captured reference values: say that a host that is so is as it should be.',
    'writ reference sign captured.json --key operator.key --out reference.json',
    {
      ...SIGNED_FILE,
      revision: 'number',
      signer: 'digest: id of the key',
      open: ['text: what the values leave open, a line for each `any` and each exclude rule'],
    },
  )
  addSigningOptions(command)
  addSignerOptions(command)
  setAction<SigningOptions & SignerOptions>(command, async ({ args, options, output }) => {
    const [path = ''] = args
    const key = await readSigner(options.key, "the operator's key", options)
    const values = await signReferenceFile(path, key, options.out)
    const open = openings(values.document)
    const { revision } = values.document
    output.result({ file: options.out, digest: values.digest, revision, signer: key.public.id, open }, () => [
      `${options.out}  reference values, signed by ${key.public.id.slice(0, 16)}`,
      `revision ${revision}, digest ${values.digest}`,
    ])
    for (const line of open) output.note(`${styledError('yellow', 'writ:')} open: ${printable(line)}`)
    return undefined
  })
}
