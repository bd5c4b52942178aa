import type { Command } from 'commander'
import { openTrustRoots } from '../../../../authorization/index.ts'
import { addCommand, setAction } from '../../../command.ts'
import { readAs } from '../../../files.ts'
import { readTrustedKey } from '../../../keys.ts'
import { authorityLine } from '../../../trust-file.ts'

export function addTrustShow(parent: Command): void {
  const command = addCommand(
    parent,
    'show <file>',
    "Check the operator's signature of trust roots and show the authorities.",
    'writ key trust show trust.json --operator-key operator.pub',
    {
      digest: 'digest',
      version: 'number',
      notAfter: 'text: time, or any',
      authorities: [
        {
          name: 'text',
          threshold: 'number',
          requester: 'text: required or none',
          keys: [
            {
              id: 'digest',
              algorithm: 'text',
              holder: 'text',
              role: 'text: approver or requester',
              notBefore: 'text: time, or any',
              notAfter: 'text: time, or any',
            },
          ],
        },
      ],
    },
  ).requiredOption('--operator-key <file>', "the operator's public key")
  setAction<{ operatorKey: string }>(command, async ({ args, options, output }) => {
    const [path = ''] = args
    const operator = await readTrustedKey(options.operatorKey, "the operator's key")
    const roots = await readAs(path, 'trust roots', bytes => openTrustRoots(bytes, [operator]))
    const authorities = [...roots.authorities.values()].map(({ name, threshold, requester, keys }) => ({
      ...{ name, threshold, requester },
      keys: keys.map(({ key, ...terms }) => ({ id: key.id, algorithm: key.algorithm, ...terms })),
    }))
    const { digest, version, notAfter } = roots
    output.result({ digest, version, notAfter, authorities }, () => [
      `trust roots, version ${version}, signed by the operator; ${until(notAfter)}`,
      ...authorities.flatMap(authority => [
        `  ${authorityLine(authority)}`,
        ...authority.keys.map(
          ({ id, algorithm, holder, role, notBefore, notAfter }) =>
            `    ${id}  ${algorithm}  ${role} ${holder}  ${from(notBefore)}${until(notAfter)}`,
        ),
      ]),
      `digest ${digest}`,
    ])
    return undefined
  })
}

const until = (notAfter: string) => (notAfter === 'any' ? 'no end' : `until ${notAfter}`)
const from = (notBefore: string) => (notBefore === 'any' ? '' : `from ${notBefore} `)
