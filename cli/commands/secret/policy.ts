import { sign } from 'node:crypto'
import type { Command } from 'commander'
import {
  approvalMessage,
  type HostState,
  hostStatePolicy,
  pcrDigest,
  pcrSelection,
} from '../../../attestation/index.ts'
import { openSecretPolicy, signSecretPolicy } from '../../../authorization/index.ts'
import { hexToBytes } from '../../../encoding/text.ts'
import { api } from '../../../proto/client.ts'
import { addCommand, setAction } from '../../command.ts'
import { addLoadCommand, addSigningOptions, type SigningOptions } from '../../documents.ts'
import { CliError } from '../../error.ts'
import { writeDocument } from '../../files.ts'
import { SIGNED_FILE } from '../../form.ts'
import {
  addSignerOptions,
  readSigner,
  readSigningKey,
  readTrustedKey,
  type SignerOptions,
} from '../../keys.ts'
import { counterCeiling, policyReference } from '../../secret-files.ts'
import { addProofOptions, type ProofOptions, readRecipients, unprovenLine } from '../../secret-recipient.ts'
import { collect, positive } from '../../workload.ts'

interface Options extends SigningOptions, SignerOptions, ProofOptions {
  version: number
  policyKey: string
  reference: string
  pcr: string[]
  recipient?: string[]
}

export function addSecretPolicyLoad(parent: Command): void {
  addLoadCommand(
    parent,
    'a secret policy',
    'writ secret policy load secret-policy.json',
    api.governance.LoadSecretPolicy,
  )
}

export function addSecretPolicySign(parent: Command): void {
  const command = addCommand(
    parent,
    'sign',
    'Say in which state hosts open secrets: values of PCRs that the policy key approves of.',
    'writ secret policy sign --version 2 --policy-key boot.key --reference production --pcr 0=4f… --pcr 4=19… --recipient host1.json --key operator.key --out secret-policy.json',
    { ...SIGNED_FILE, version: 'number', pcrs: ['number'], hosts: ['text'], proven: 'boolean' },
  )
    .requiredOption('--version <n>', 'version; a host never goes back to a lower one', positive('--version'))
    .requiredOption('--policy-key <file>', 'private key, of ECDSA P-256, that approves')
    .requiredOption('--reference <name>', 'what the policy is called')
    .requiredOption('--pcr <n=value>', 'a PCR of the SHA-256 bank and its value (repeatable)', collect)
    .option(
      '--recipient <file>',
      'a host whose TPM then refuses older versions (repeatable; default: any host, without that)',
      collect,
    )
  addProofOptions(
    command,
    "the public key that certified the hosts' attestation keys (default: that of --key)",
  )
  addSigningOptions(command)
  addSignerOptions(command)
  setAction<Options>(command, async ({ options, output }) => {
    const values = readPcrs(options.pcr)
    const pcrs = values.map(({ pcr }) => pcr)
    const key = await readSigner(options.key, "the operator's key", options)
    const approver = await readSigningKey(options.policyKey, "the policy's key", options)
    const { operatorKey, unproven = false } = options
    if (unproven && operatorKey !== undefined)
      throw new CliError('USAGE', 'give --operator-key or --unproven, not both')
    const operator =
      operatorKey === undefined ? key.public : await readTrustedKey(operatorKey, "the operator's key")
    const recipients = await readRecipients(options.recipient ?? [], unproven ? null : operator)
    const reference = policyReference(options.reference)
    const approve = (counter: HostState['counter']) => {
      const digest = pcrDigest(values.map(({ value }) => value))
      const policy = hostStatePolicy({ selection: pcrSelection('sha256', pcrs), pcrDigest: digest, counter })
      const signature = sign('sha256', approvalMessage(policy, reference), {
        key: approver.object,
        dsaEncoding: 'ieee-p1363',
      })
      return {
        pcrDigest: digest.toString('hex'),
        counter: counter && { name: counter.name.toString('hex'), notAbove: String(counter.notAbove) },
        signature: signature.toString('base64'),
      }
    }
    const approvals =
      recipients.length === 0
        ? [{ host: 'any' as const, ...approve(null) }]
        : recipients.map(recipient => ({
            host: recipient.host,
            ...approve(counterCeiling(recipient, options.version)),
          }))
    const { version } = options
    const envelope = signSecretPolicy(
      {
        version,
        reference: reference.toString('hex'),
        key: approver.public.spki.toString('base64'),
        pcrs,
        approvals,
      },
      key,
    )
    const { digest } = openSecretPolicy(envelope, [key.public])
    await writeDocument(options.out, envelope)
    const hosts = approvals.map(({ host }) => host)
    output.result({ file: options.out, digest, version, pcrs, hosts, proven: !unproven }, () => [
      `${options.out}  secret policy, version ${version}, PCR ${pcrs.join(', ')}, for ${hosts.join(', ')}`,
      ...unprovenLine(unproven),
      `digest ${digest}`,
    ])
    return undefined
  })
}

function readPcrs(given: readonly string[]): { pcr: number; value: Buffer }[] {
  return given
    .map(text => {
      const [, pcr = '', value = ''] = /^([0-9]{1,2})=([0-9a-f]{64})$/.exec(text) ?? []
      if (value === '') throw new CliError('USAGE', '--pcr takes a number and 64 hexadecimal digits: 4=19ab…')
      return { pcr: Number(pcr), value: hexToBytes(value) }
    })
    .sort((a, b) => a.pcr - b.pcr)
}
