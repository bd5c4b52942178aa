// Verifies where a package comes from: verify.ts DEB ENVELOPE PUBLIC_KEY
// Says on standard output from which commit it was built and by whom; fails unless the key has signed exactly this file, under its name: an
// older package that is called like a newer one is not the newer one.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { parseJson } from '../../encoding/json.ts'
import { checkSignatures, MAX_ENVELOPE_BYTES, parseEnvelope } from '../../signing/dsse.ts'
import { readPublicKey } from '../../signing/key.ts'
import { PAYLOAD_TYPE, PREDICATE_TYPE } from './statement.ts'

/** What is read of a statement. It was signed, so that its form is what is wrong with it, if anything. */
interface Read {
  readonly predicateType?: unknown
  readonly subject?: readonly { readonly name?: unknown; readonly digest?: { readonly sha256?: unknown } }[]
  readonly predicate?: {
    readonly buildDefinition?: { readonly externalParameters?: { readonly commit?: unknown } }
    readonly runDetails?: { readonly builder?: { readonly id?: unknown } }
  }
}

const [deb, envelopeFile, keyFile] = process.argv.slice(2)
try {
  if (deb === undefined || envelopeFile === undefined || keyFile === undefined) {
    console.error('usage: verify.ts DEB ENVELOPE PUBLIC_KEY')
    process.exitCode = 2
  } else verify(deb, envelopeFile, keyFile)
} catch (error) {
  console.error(`provenance: FAILED: ${error instanceof Error ? error.message : error}`)
  process.exitCode = 1
}

function verify(deb: string, envelopeFile: string, keyFile: string): void {
  const envelope = parseEnvelope(readFileSync(envelopeFile))
  const key = readPublicKey(readFileSync(keyFile, 'utf8'))
  if (!checkSignatures(envelope, [key], 1).met) throw new Error(`${envelopeFile} is not signed by ${keyFile}`)
  if (envelope.payloadType !== PAYLOAD_TYPE) throw new Error(`${envelopeFile} holds ${envelope.payloadType}`)
  const statement = parseJson(envelope.payload, { maxBytes: MAX_ENVELOPE_BYTES, maxDepth: 16 }) as Read
  if (statement.predicateType !== PREDICATE_TYPE) throw new Error('the statement is none of provenance')
  const sha256 = createHash('sha256').update(readFileSync(deb)).digest('hex')
  const names = (statement.subject ?? []).flatMap(({ name, digest }) =>
    digest?.sha256 === sha256 ? [name] : [],
  )
  if (names.length === 0)
    throw new Error(`the statement is about other files than ${basename(deb)} (sha256:${sha256})`)
  if (!names.includes(basename(deb)))
    throw new Error(`${basename(deb)} was signed as ${names.map(name => JSON.stringify(name)).join(', ')}`)
  const { buildDefinition, runDetails } = statement.predicate ?? {}
  const said = [
    `VERIFIED ${basename(deb)} sha256:${sha256}`,
    `commit   ${JSON.stringify(buildDefinition?.externalParameters?.commit)}`,
    `builder  ${JSON.stringify(runDetails?.builder?.id)}`,
  ]
  console.log(said.join('\n'))
}
