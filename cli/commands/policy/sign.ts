import type { Command } from 'commander'
import { openPolicyBundle, signPolicyBundle } from '../../../authorization/index.ts'
import { addCommand, setAction } from '../../command.ts'
import { addSigningOptions, type SigningOptions } from '../../documents.ts'
import { writeDocument } from '../../files.ts'
import { SIGNED_FILE } from '../../form.ts'
import { addPassphraseOptions, type PassphraseOptions, readSigningKey } from '../../keys.ts'
import { parsePolicyDirectory } from '../../policy-directory.ts'
import { positive } from '../../workload.ts'

interface Options extends SigningOptions, PassphraseOptions {
  version: number
}

export function addPolicySign(parent: Command): void {
  const command = addCommand(
    parent,
    'sign <directory>',
    'Make a signed bundle from a directory: *.cedar (one policy each), schema.cedarschema and entities.json, both optional.',
    'writ policy sign policies/ --version 3 --key operator.key --out policy.json',
    { ...SIGNED_FILE, version: 'number', policies: ['text: id'] },
  ).requiredOption('--version <n>', 'version; a host never goes back to a lower one', positive('--version'))
  addSigningOptions(command)
  addPassphraseOptions(command)
  setAction<Options>(command, async ({ args, options, output }) => {
    const [directory = ''] = args
    const bundle = await parsePolicyDirectory(directory, options.version)
    const key = await readSigningKey(options.key, "the operator's key", options)
    const envelope = signPolicyBundle(bundle, key)
    // What the daemon would refuse is refused here: parsed, validated against the schema, tried.
    const { digest } = openPolicyBundle(envelope, [key.public])
    await writeDocument(options.out, envelope)
    const policies = Object.keys(bundle.policies)
    output.result({ file: options.out, digest, version: bundle.version, policies }, () => [
      `${options.out}  policy bundle, version ${bundle.version}, ${policies.length} policies, ${bundle.entities.length} entities`,
      `digest ${digest}`,
    ])
    return undefined
  })
}
