import type { Command } from 'commander'
import { openTrustRoots } from '../../../../authorization/index.ts'
import { addCommand, setAction } from '../../../command.ts'
import { readAs } from '../../../files.ts'
import { readTrustedKey } from '../../../keys.ts'

export function addTrustShow(parent: Command): void {
  const command = addCommand(
    parent,
    'show <file>',
    "Check the operator's signature of trust roots and show the authorities.",
    'writ key trust show trust.json --operator-key operator.pub',
    {
      digest: 'digest',
      version: 'number',
      authorities: [{ name: 'text', threshold: 'number', keys: [{ id: 'digest', algorithm: 'text' }] }],
    },
  ).requiredOption('--operator-key <file>', "the operator's public key")
  setAction<{ operatorKey: string }>(command, async ({ args, options, output }) => {
    const [path = ''] = args
    const operator = await readTrustedKey(options.operatorKey, "the operator's key")
    const roots = await readAs(path, 'trust roots', bytes => openTrustRoots(bytes, [operator]))
    const authorities = [...roots.authorities.values()].map(({ name, threshold, keys }) => ({
      name,
      threshold,
      keys: keys.map(key => ({ id: key.id, algorithm: key.algorithm })),
    }))
    output.result({ digest: roots.digest, version: roots.version, authorities }, () => [
      `trust roots, version ${roots.version}, signed by the operator`,
      ...authorities.flatMap(({ name, threshold, keys }) => [
        `  ${name}: ${threshold} of ${keys.length}`,
        ...keys.map(key => `    ${key.id}  ${key.algorithm}`),
      ]),
      `digest ${roots.digest}`,
    ])
    return undefined
  })
}
