import type { Command } from 'commander'
import { canonicalJsonBytes } from '../../../encoding/json.ts'
import { addCommand, setAction } from '../../command.ts'
import { CliError } from '../../error.ts'
import { readDocument, writeDocument } from '../../files.ts'
import { readTrustedKey } from '../../keys.ts'
import { sealSecret } from '../../secret-files.ts'
import { addProofOptions, type ProofOptions, readRecipients, unprovenLine } from '../../secret-recipient.ts'
import { collect, positive } from '../../workload.ts'

interface Options extends ProofOptions {
  issuer: string
  name: string
  descriptor: number
  recipient: string[]
  policyKey: string
  reference: string
  out: string
}

export function addSecretSeal(parent: Command): void {
  const command = addCommand(
    parent,
    'seal <file>',
    "Seal a secret to hosts' TPMs, for `writ issue --secret`.",
    'writ secret seal model.key --issuer release --name model-key --descriptor 3 --recipient host1.json --operator-key operator.pub --policy-key boot.pub --reference production --out model-key.json',
    { file: 'text', name: 'text', descriptor: 'number', hosts: ['text'], proven: 'boolean' },
  )
    .requiredOption('--issuer <name>', 'the authority whose artifacts may hand it over, and no other')
    .requiredOption('--name <name>', 'what it is called')
    .requiredOption('--descriptor <n>', 'under which the program finds it, 3 to 63', positive('--descriptor'))
    .requiredOption('--recipient <file>', 'what a host handed out (repeatable)', collect)
    .requiredOption('--policy-key <file>', 'public key, of ECDSA P-256, that approves of states of hosts')
    .requiredOption('--reference <name>', 'what the secret policy is called that opens it')
    .requiredOption('--out <file>', 'where it is written; nothing is overwritten')
  addProofOptions(command, "the operator's public key, which certified the hosts' attestation keys")
  setAction<Options>(command, async ({ args, options, output }) => {
    const [path = ''] = args
    const { operatorKey, unproven = false } = options
    if ((operatorKey === undefined) !== unproven) {
      throw new CliError(
        'USAGE',
        'give --operator-key, so that it is shown which hosts these are, or --unproven',
      )
    }
    const operator =
      operatorKey === undefined ? null : await readTrustedKey(operatorKey, "the operator's key")
    const recipients = await readRecipients(options.recipient, operator)
    const policyKey = await readTrustedKey(options.policyKey, "the policy's key")
    const secret = await readDocument(path, 'a secret')
    const { issuer, name, descriptor, reference } = options
    const sealed = sealSecret(secret, { issuer, name, descriptor, reference, policyKey, recipients })
    secret.fill(0)
    await writeDocument(options.out, canonicalJsonBytes(sealed))
    const hosts = recipients.map(({ host }) => host)
    output.result({ file: options.out, name, descriptor, hosts, proven: !unproven }, () => [
      `${options.out}  ${name}, descriptor ${descriptor}, for ${hosts.length} hosts`,
      ...unprovenLine(unproven),
    ])
    return undefined
  })
}
