import type { Command } from 'commander'
import { openHostLabels } from '../../../authorization/index.ts'
import { addCommand, setAction } from '../../command.ts'
import { readAs } from '../../files.ts'
import { readTrustedKey } from '../../keys.ts'
import { printable } from '../../output.ts'

export function addLabelsShow(parent: Command): void {
  const command = addCommand(
    parent,
    'show <file>',
    "Check the operator's signature of a host's labels and show them.",
    'writ labels show labels.json --operator-key operator.pub',
    { digest: 'digest', version: 'number', host: 'hex', labels: ['text'], notAfter: 'text: time or any' },
  ).requiredOption('--operator-key <file>', "the operator's public key")
  setAction<{ operatorKey: string }>(command, async ({ args, options, output }) => {
    const [path = ''] = args
    const operator = await readTrustedKey(options.operatorKey, "the operator's key")
    const found = await readAs(path, 'labels of a host', bytes => openHostLabels(bytes, [operator]))
    const { digest, version, host, labels, notAfter } = found
    output.result({ digest, version, host, labels, notAfter }, () => [
      `labels of a host, version ${version}, signed by the operator`,
      `  host    ${host}`,
      `  labels  ${printable(labels.join(', ')) || 'none'}`,
      `  until   ${notAfter}`,
      `digest ${digest}`,
    ])
    return undefined
  })
}
