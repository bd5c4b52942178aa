import type { Command } from 'commander'
import { parseHostLabels, signHostLabels } from '../../../authorization/index.ts'
import { sha256Hex } from '../../../encoding/digest.ts'
import { parseEnvelope } from '../../../signing/dsse.ts'
import { addCommand, setAction } from '../../command.ts'
import { addSigningOptions, type SigningOptions } from '../../documents.ts'
import { writeDocument } from '../../files.ts'
import { SIGNED_FILE } from '../../form.ts'
import { readHostId } from '../../host-id.ts'
import { addSignerOptions, readSigner, type SignerOptions } from '../../keys.ts'
import { printable } from '../../output.ts'
import { durationOrAny, readOpenValidity } from '../../validity.ts'
import { collect, positive } from '../../workload.ts'

interface Options extends SigningOptions, SignerOptions {
  host: string
  label?: string[]
  version: number
  valid: number | 'any'
}

export function addLabelsSign(parent: Command): void {
  const command = addCommand(
    parent,
    'sign',
    'Say what a host is called. Artifacts can be for hosts with a label, and policies look at them.',
    'writ labels sign --host 000b9c… --label gpu --label eu-west --version 1 --valid 90d --key operator.key --out labels.json',
    {
      ...SIGNED_FILE,
      version: 'number',
      host: 'hex',
      labels: ['text'],
      notAfter: 'text: time or any',
    },
  )
    .requiredOption('--host <id>', 'the one host that they are for; `writ status` shows the id')
    .option('--label <label>', 'a label (repeatable; without any the host has none from then on)', collect)
    .requiredOption('--version <n>', 'version; a host never goes back to a lower one', positive('--version'))
    .requiredOption(
      '--valid <duration|any>',
      'how long they count, such as 90d; then the host has none',
      durationOrAny('--valid'),
    )
  addSigningOptions(command)
  addSignerOptions(command)
  setAction<Options>(command, async ({ options, output }) => {
    const { notAfter } = readOpenValidity({ valid: options.valid })
    const fields = {
      version: options.version,
      host: readHostId(options.host),
      labels: options.label ?? [],
      notAfter,
    }
    const key = await readSigner(options.key, "the operator's key", options)
    const envelope = signHostLabels(fields, key)
    const { payload } = parseEnvelope(envelope)
    const { version, host, labels } = parseHostLabels(payload)
    const digest = sha256Hex(payload)
    await writeDocument(options.out, envelope)
    output.result({ file: options.out, digest, version, host, labels, notAfter }, () => [
      `${options.out}  labels of ${host}, version ${version}`,
      `  ${printable(labels.join(', ')) || 'none'}, until ${notAfter}`,
      `digest ${digest}`,
    ])
    return undefined
  })
}
