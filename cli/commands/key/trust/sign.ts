import type { Command } from 'commander'
import { signTrustRoots, type TrustRootsFields } from '../../../../authorization/index.ts'
import { sha256Hex } from '../../../../encoding/digest.ts'
import { parseEnvelope } from '../../../../signing/dsse.ts'
import { addCommand, setAction } from '../../../command.ts'
import { addSigningOptions, type SigningOptions } from '../../../documents.ts'
import { CliError } from '../../../error.ts'
import { writeDocument } from '../../../files.ts'
import { SIGNED_FILE } from '../../../form.ts'
import {
  addPassphraseOptions,
  type PassphraseOptions,
  readSigningKey,
  readTrustedKey,
} from '../../../keys.ts'
import { collect, positive } from '../../../workload.ts'

interface Options extends SigningOptions, PassphraseOptions {
  authority: string[]
  version: number
}

export function addTrustSign(parent: Command): void {
  const command = addCommand(
    parent,
    'sign',
    'Name the authorities that may sign artifacts, and how many of their keys it takes.',
    `writ key trust sign --authority release=alice.pub --version 1 --key operator.key --out trust.json
     writ key trust sign --authority release:2=alice.pub,bob.pub,carol.pub --version 2 --key operator.key --out trust2.json`,
    { ...SIGNED_FILE, version: 'number', signer: 'digest: id of the key' },
  )
    .requiredOption(
      '--authority <name[:threshold]=file,…>',
      'an authority with its public keys (repeatable; threshold 1 if not given)',
      collect,
    )
    .requiredOption('--version <n>', 'version; a host never goes back to a lower one', positive('--version'))
  addSigningOptions(command)
  addPassphraseOptions(command)
  setAction<Options>(command, async ({ options, output }) => {
    const authorities = await Promise.all(options.authority.map(readAuthority))
    const key = await readSigningKey(options.key, "the operator's key", options)
    const envelope = signTrustRoots({ version: options.version, authorities }, key)
    await writeDocument(options.out, envelope)
    const digest = sha256Hex(parseEnvelope(envelope).payload)
    output.result({ file: options.out, digest, version: options.version, signer: key.public.id }, () => [
      `${options.out}  trust roots, version ${options.version}, signed by ${key.public.id.slice(0, 16)}`,
      ...authorities.map(a => `  ${a.name}: ${a.threshold} of ${a.keys.length} keys`),
      `digest ${digest}`,
    ])
    return undefined
  })
}

/** Reads `NAME[:THRESHOLD]=FILE,FILE`. @throws CliError */
async function readAuthority(text: string): Promise<TrustRootsFields['authorities'][number]> {
  const [, name, threshold = '1', files] = /^([^:=]+)(?::([0-9]{1,2}))?=(.+)$/.exec(text) ?? []
  if (name === undefined || files === undefined) {
    throw new CliError(
      'USAGE',
      `--authority takes NAME=FILE or NAME:THRESHOLD=FILE,FILE, not ${JSON.stringify(text)}`,
    )
  }
  const keys = await Promise.all(
    files.split(',').map(file => readTrustedKey(file, `a key of the authority ${name}`)),
  )
  return { name, threshold: Number(threshold), keys: keys.map(key => key.spki.toString('base64')) }
}
