import type { Command } from 'commander'
import { addCommand, setAction } from '../../command.ts'
import { REFERENCE_DOCUMENT } from '../../form.ts'
import { printable } from '../../output.ts'
import { readReferenceFile } from '../../reference/file.ts'
import { documentLines } from '../../reference/words.ts'

export function addReferenceShow(parent: Command): void {
  const command = addCommand(
    parent,
    'show <file>',
    "Show what reference values accept, in words. With the operator's key their signature is checked; a captured file has none yet.",
    `writ reference show reference.json --operator-key operator.pub
     writ reference show captured.json`,
    { digest: 'digest', signed: 'boolean: whether a signature was checked', ...REFERENCE_DOCUMENT },
  ).option('--operator-key <file>', "the operator's public key; without it the file must not be signed")
  setAction<{ operatorKey?: string }>(command, async ({ args, options, output }) => {
    const [path = ''] = args
    const { values, signed } = await readReferenceFile(path, options.operatorKey)
    const { digest, document } = values
    output.result({ digest, signed, ...document }, () => [
      `${printable(document.name)}, revision ${document.revision}, of ${document.created}, ${signed ? 'signed by the operator' : 'not signed'}`,
      ...documentLines(document),
      `digest ${digest}`,
    ])
    return undefined
  })
}
