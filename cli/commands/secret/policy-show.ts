import type { Command } from 'commander'
import { openSecretPolicy } from '../../../authorization/index.ts'
import { base64ToBytes } from '../../../encoding/text.ts'
import { readPublicKey } from '../../../signing/key.ts'
import { addCommand, setAction } from '../../command.ts'
import { readAs } from '../../files.ts'
import { readTrustedKey } from '../../keys.ts'

export function addSecretPolicyShow(parent: Command): void {
  const command = addCommand(
    parent,
    'show <file>',
    "Check the operator's signature of a secret policy and show in which states which hosts open secrets.",
    'writ secret policy show secret-policy.json --operator-key operator.pub',
    {
      digest: 'digest',
      version: 'number',
      reference: 'digest: of the name',
      policyKey: 'digest: id of the key that approves',
      pcrs: ['number'],
      approvals: [
        {
          host: 'text: a host or any',
          pcrDigest: 'digest',
          'counter|null': { name: 'hex', notAbove: 'decimal' },
        },
      ],
    },
  ).requiredOption('--operator-key <file>', "the operator's public key")
  setAction<{ operatorKey: string }>(command, async ({ args, options, output }) => {
    const [path = ''] = args
    const operator = await readTrustedKey(options.operatorKey, "the operator's key")
    const policy = await readAs(path, 'a secret policy', bytes => openSecretPolicy(bytes, [operator]))
    const { digest, version, reference, pcrs } = policy
    const policyKey = readPublicKey(base64ToBytes(policy.key)).id
    const approvals = policy.approvals.map(({ host, pcrDigest, counter }) => ({ host, pcrDigest, counter }))
    output.result({ digest, version, reference, policyKey, pcrs, approvals }, () => [
      `secret policy, version ${version}, signed by the operator`,
      `  reference   ${reference}`,
      `  policy key  ${policyKey}`,
      `  PCRs        ${pcrs.join(', ')} (SHA-256)`,
      ...approvals.map(
        ({ host, pcrDigest, counter }) =>
          `  ${host === 'any' ? 'any host' : `host ${host}`}: ${pcrDigest}, ${counter === null ? 'the TPM refuses no older approval' : `counter not above ${counter.notAbove}`}`,
      ),
      `digest ${digest}`,
    ])
    return undefined
  })
}
