// Says where a package comes from: main.ts DEB OUT [BYPRODUCT…]
//   [--repository DIRECTORY] [--source URI] [--builder URI] [--key FILE | --public-key FILE --sign-command COMMAND]
// Writes an in-toto statement with SLSA provenance; with a key, in a DSSE envelope that it has signed. The passphrase of a key is the first
// line of the file that WRIT_PASSPHRASE_FILE names. The commit is the repository's. Where this file lies in a directory that has anything else,
// or more, than that commit, no statement could name what was built: it is refused.
import { readFileSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { parseArgs } from 'node:util'
import { commandSigner } from '../../cli/sign-command.ts'
import { signEnvelope } from '../../signing/dsse.ts'
import { readPrivateKey, readPublicKey, type Signer } from '../../signing/key.ts'
import { CHECKOUT } from '../executable/bundle.ts'
import { fileDigest, npmInputs, runtimeInput, toolchain } from './inputs.ts'
import { LOCAL_BUILDER, PAYLOAD_TYPE, provenanceStatement } from './statement.ts'
import { unpackedCommit } from './unpacked.ts'

const USAGE =
  'usage: main.ts DEB OUT [BYPRODUCT…] [--repository DIRECTORY] [--source URI] [--builder URI] [--key FILE | --public-key FILE --sign-command COMMAND]'
const text = { type: 'string' } as const

try {
  process.exitCode = run()
} catch (error) {
  console.error(`provenance: ${error instanceof Error ? error.message : error}`)
  process.exitCode = 1
}

function run(): number {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      repository: text,
      source: text,
      builder: text,
      key: text,
      'public-key': text,
      'sign-command': text,
    },
  })
  const [deb, out, ...byproducts] = positionals
  const one =
    values.key === undefined ? values['public-key'] && values['sign-command'] : !values['sign-command']
  const unsigned = !values.key && !values['public-key'] && !values['sign-command']
  if (deb === undefined || out === undefined || !(one || unsigned)) {
    console.error(USAGE)
    return 2
  }
  const epoch = Number(process.env.SOURCE_DATE_EPOCH)
  if (!(epoch > 0)) throw new TypeError('SOURCE_DATE_EPOCH is not set')
  const architecture = /_([a-z0-9]+)\.deb$/.exec(deb)?.[1]
  if (architecture === undefined) throw new TypeError(`${deb} is not called as a package is`)
  const commit = unpackedCommit(values.repository ?? CHECKOUT)
  const named = (path: string) => ({ name: basename(path), digest: fileDigest(path) })
  const statement = provenanceStatement({
    subjects: [named(deb)],
    source: values.source ?? null,
    commit,
    architecture,
    epoch,
    builder: values.builder ?? LOCAL_BUILDER,
    inputs: [runtimeInput(), ...npmInputs()],
    byproducts: byproducts.map(named),
    toolchain: toolchain(),
  })
  const signer = signerOf(values)
  const payload = Buffer.from(JSON.stringify(statement))
  // One file is signed or not; what is there already is somebody's and stays.
  const bytes = signer === null ? payload : signEnvelope(PAYLOAD_TYPE, payload, [signer])
  writeFileSync(out, bytes, { flag: 'wx', mode: 0o644 })
  return 0
}

function signerOf(values: { key?: string; 'public-key'?: string; 'sign-command'?: string }): Signer | null {
  if (values.key !== undefined) {
    const file = process.env.WRIT_PASSPHRASE_FILE
    const passphrase = file === undefined ? undefined : readFileSync(file, 'utf8').split('\n')[0]
    return readPrivateKey(readFileSync(values.key, 'utf8'), passphrase)
  }
  if (values['public-key'] === undefined || values['sign-command'] === undefined) return null
  return commandSigner(readPublicKey(readFileSync(values['public-key'], 'utf8')), values['sign-command'])
}
