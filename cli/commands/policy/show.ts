import type { Command } from 'commander'
import { openPolicyBundle, parsePolicyBundle } from '../../../authorization/index.ts'
import { parseEnvelope } from '../../../signing/dsse.ts'
import { addCommand, setAction } from '../../command.ts'
import { readAs } from '../../files.ts'
import { readTrustedKey } from '../../keys.ts'
import { printable, styled } from '../../output.ts'
import { validityLine } from '../../validity.ts'

export function addPolicyShow(parent: Command): void {
  const command = addCommand(
    parent,
    'show <file>',
    "Check the operator's signature of a policy bundle, validate it, and show its policies.",
    'writ policy show policy.json --operator-key operator.pub',
    {
      digest: 'digest',
      version: 'number',
      notBefore: 'text: time or any',
      notAfter: 'text: time or any',
      cedarVersion: 'text',
      policies: { '*': 'text: a policy, by its id' },
      schema: 'text',
      entities: ['json: as Cedar has them'],
    },
  ).requiredOption('--operator-key <file>', "the operator's public key")
  setAction<{ operatorKey: string }>(command, async ({ args, options, output }) => {
    const [path = ''] = args
    const operator = await readTrustedKey(options.operatorKey, "the operator's key")
    const { digest, bundle } = await readAs(path, 'a policy bundle', bytes => ({
      digest: openPolicyBundle(bytes, [operator]).digest,
      bundle: parsePolicyBundle(parseEnvelope(bytes).payload),
    }))
    output.result({ digest, ...bundle }, () => [
      `policy bundle, version ${bundle.version}, Cedar ${bundle.cedarVersion}, signed by the operator`,
      validityLine(bundle),
      ...Object.entries(bundle.policies).flatMap(([id, text]) => [
        styled('bold', id),
        ...text
          .trimEnd()
          .split('\n')
          .map(line => `  ${printable(line)}`),
      ]),
      `digest ${digest}`,
    ])
    return undefined
  })
}
