import type { Command } from 'commander'
import { openPolicyBundle, signPolicyBundle } from '../../../authorization/index.ts'
import { addCommand, setAction } from '../../command.ts'
import { addSigningOptions, type SigningOptions } from '../../documents.ts'
import { writeDocument } from '../../files.ts'
import { SIGNED_FILE } from '../../form.ts'
import { addSignerOptions, readSigner, type SignerOptions } from '../../keys.ts'
import { parsePolicyDirectory } from '../../policy-directory.ts'
import { durationOrAny, type OpenValidityOptions, readOpenValidity, validityLine } from '../../validity.ts'
import { positive } from '../../workload.ts'

interface Options extends SigningOptions, SignerOptions, OpenValidityOptions {
  version: number
}

export function addPolicySign(parent: Command): void {
  const command = addCommand(
    parent,
    'sign <directory>',
    'Make a signed bundle from a directory: *.cedar (one policy each), schema.cedarschema and entities.json, both optional.',
    'writ policy sign policies/ --version 3 --valid 90d --key operator.key --out policy.json',
    {
      ...SIGNED_FILE,
      version: 'number',
      notBefore: 'text: time or any',
      notAfter: 'text: time or any',
      policies: ['text: id'],
    },
  )
    .requiredOption('--version <n>', 'version; a host never goes back to a lower one', positive('--version'))
    .requiredOption(
      '--valid <duration|any>',
      'how long it may decide, such as 90d; then nothing is permitted until another one is in force',
      durationOrAny('--valid'),
    )
    .option('--not-before <time|any>', 'when it may begin to decide (default: any)')
  addSigningOptions(command)
  addSignerOptions(command)
  setAction<Options>(command, async ({ args, options, output }) => {
    const [directory = ''] = args
    const bundle = await parsePolicyDirectory(directory, {
      version: options.version,
      ...readOpenValidity(options),
    })
    const key = await readSigner(options.key, "the operator's key", options)
    const envelope = signPolicyBundle(bundle, key)
    // What the daemon would refuse is refused here: parsed, validated against the schema, tried.
    const { digest } = openPolicyBundle(envelope, [key.public])
    await writeDocument(options.out, envelope)
    const policies = Object.keys(bundle.policies)
    const { version, notBefore, notAfter } = bundle
    output.result({ file: options.out, digest, version, notBefore, notAfter, policies }, () => [
      `${options.out}  policy bundle, version ${version}, ${policies.length} policies, ${bundle.entities.length} entities`,
      validityLine(bundle),
      `digest ${digest}`,
    ])
    return undefined
  })
}
