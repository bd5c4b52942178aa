import type { Command } from 'commander'
import { MAX_REFERENCE_BYTES, type PcrRule, type ReferenceDocument } from '../../../attestation/index.ts'
import { addCommand, setAction } from '../../command.ts'
import { readAs } from '../../files.ts'
import { readTrustedKey } from '../../keys.ts'
import { printable } from '../../output.ts'
import { openReferenceValues } from '../../reference-values.ts'

export function addReferenceShow(parent: Command): void {
  const command = addCommand(
    parent,
    'show <file>',
    "Check the operator's signature of reference values and show what they accept.",
    'writ reference show reference.json --operator-key operator.pub',
    {
      digest: 'digest',
      version: 'number',
      name: 'text',
      created: 'time',
      firmwareVersions: 'json: "any" or a list',
      secureBoot: 'json: true, false or "any"',
      pcrs: [{ pcr: 'number', rule: 'text', 'values?': ['digest'], 'digests?': ['digest'] }],
      components: 'json: "any" or a list of {name, path, digests}',
      ima: { files: [{ path: 'text', digests: ['text: algorithm:hex'] }], violations: ['text'] },
    },
  ).requiredOption('--operator-key <file>', "the operator's public key")
  setAction<{ operatorKey: string }>(command, async ({ args, options, output }) => {
    const [path = ''] = args
    const operator = await readTrustedKey(options.operatorKey, "the operator's key")
    const { digest, document } = await readAs(
      path,
      'reference values',
      bytes => openReferenceValues(bytes, [operator]),
      2 * MAX_REFERENCE_BYTES,
    )
    output.result({ digest, ...document }, () => [
      `${printable(document.name)}, captured ${document.created}, signed by the operator`,
      `secure boot  ${document.secureBoot.enabled === 'any' ? 'any' : document.secureBoot.enabled ? 'on' : 'off'}`,
      `firmware     ${document.firmwareVersions === 'any' ? 'any' : document.firmwareVersions.join(' ')}`,
      ...document.pcrs.map(rule => `PCR ${String(rule.pcr).padStart(2)}       ${ruleText(rule)}`),
      ...componentLines(document.components),
      `files        ${document.ima.files.length}`,
      `digest ${digest}`,
    ])
    return undefined
  })
}

function componentLines(components: ReferenceDocument['components']): string[] {
  if (components === 'any') return ['components   any: whatever code runs as the daemon']
  return components.map(
    ({ name, path, digests }) =>
      `component    ${name} at ${printable(path)}, measured as ${digests.join(' or ')}`,
  )
}

function ruleText(rule: PcrRule): string {
  switch (rule.rule) {
    case 'value':
      return rule.values.join(' or ')
    case 'events':
      return `any order of ${rule.digests.length} known events`
    case 'described':
      return 'by the statements above'
    case 'ima':
      return 'files below'
    case 'any':
      return 'any'
  }
}
