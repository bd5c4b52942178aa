import type { Command } from 'commander'
import { signTrustRoots, type TrustRootsFields } from '../../../../authorization/index.ts'
import { sha256Hex } from '../../../../encoding/digest.ts'
import { parseEnvelope } from '../../../../signing/dsse.ts'
import { addCommand, setAction } from '../../../command.ts'
import { addSigningOptions, type SigningOptions } from '../../../documents.ts'
import { CliError } from '../../../error.ts'
import { writeDocument } from '../../../files.ts'
import { SIGNED_FILE } from '../../../form.ts'
import { addSignerOptions, readSigner, type SignerOptions } from '../../../keys.ts'
import {
  addRequester,
  authorityLine,
  readAuthority,
  readTrustFile,
  type TrustFile,
} from '../../../trust-file.ts'
import { collect, duration, positive } from '../../../workload.ts'

interface Options extends SigningOptions, SignerOptions {
  authority?: string[]
  requester?: string[]
  from?: string
  version?: number
  valid?: number | 'any'
}

/** A year, unless something else is said: trust roots that nobody renews come to an end. */
const USUAL_SECONDS = 365 * 86_400

export function addTrustSign(parent: Command): void {
  const command = addCommand(
    parent,
    'sign',
    'Name the authorities that may sign artifacts, and how many of their people it takes.',
    `writ key trust sign --authority release=alice.pub --version 1 --key operator.key --out trust.json
     writ key trust sign --authority release:2=alice.pub,bob.pub,carol.pub --requester release=dave.pub
     --version 2 --valid 180d --key operator.key --out trust2.json
     writ key trust sign --from authorities.toml --version 3 --key operator.key --out trust3.json`,
    { ...SIGNED_FILE, version: 'number', notAfter: 'text: time, or any', signer: 'digest: id of the key' },
  )
    .option(
      '--authority <name[:threshold]=file,…>',
      "an authority with its approvers' public keys, each of the holder that its file is named after (repeatable; threshold 1 if not given)",
      collect,
    )
    .option(
      '--requester <name=file,…>',
      'keys that have to ask for artifacts of that authority, and may not approve them (repeatable)',
      collect,
    )
    .option('--from <file>', 'TOML file of authorities, with holders, roles and windows of keys')
    .option('--version <n>', 'version; a host never goes back to a lower one', positive('--version'))
    .option('--valid <duration|any>', 'how long they count, such as 180d (default: 365d)', lifetime)
  addSigningOptions(command)
  addSignerOptions(command)
  setAction<Options>(command, async ({ options, output }) => {
    const fields = await readFields(options)
    const key = await readSigner(options.key, "the operator's key", options)
    const envelope = signTrustRoots(fields, key)
    await writeDocument(options.out, envelope)
    const digest = sha256Hex(parseEnvelope(envelope).payload)
    const { version, notAfter, authorities } = fields
    output.result({ file: options.out, digest, version, notAfter, signer: key.public.id }, () => [
      `${options.out}  trust roots, version ${version}, signed by ${key.public.id.slice(0, 16)}`,
      ...authorities.map(authority => `  ${authorityLine(authority)}`),
      `  count until ${notAfter}`,
      `digest ${digest}`,
    ])
    return undefined
  })
}

function lifetime(value: string): number | 'any' {
  return value === 'any' ? value : duration('--valid')(value)
}

async function readFields(options: Options): Promise<TrustRootsFields> {
  if ((options.from === undefined) === (options.authority === undefined))
    throw new CliError('USAGE', 'name the authorities with --authority or --from, one of the two')
  const file: TrustFile =
    options.from === undefined
      ? { version: undefined, notAfter: undefined, authorities: [] }
      : await readTrustFile(options.from)
  let authorities = [
    ...file.authorities,
    ...(await Promise.all((options.authority ?? []).map(readAuthority))),
  ]
  for (const text of options.requester ?? []) authorities = await addRequester(authorities, text)
  const version = options.version ?? file.version
  if (version === undefined) throw new CliError('USAGE', 'give the --version, one above that in force')
  const { valid } = options
  const until = (seconds: number) => new Date(Date.now() + seconds * 1000).toISOString()
  const notAfter =
    valid === undefined ? (file.notAfter ?? until(USUAL_SECONDS)) : valid === 'any' ? valid : until(valid)
  return { version, notAfter, authorities }
}
