import * as v from 'valibot'
import { canonicalJsonBytes, type JsonValue, parseJson } from '../encoding/json.ts'
import { base64ToBytes } from '../encoding/text.ts'
import { CliError } from './error.ts'
import { readAs } from './files.ts'

/** What a host sends to its operator to be enrolled. */
export interface RequestFile {
  readonly akPublicArea: Buffer
  readonly ekCertificate: Buffer
  readonly ekIntermediates: readonly Buffer[]
}

/** What the operator sends back: only the TPM that holds EK and AK can open it. */
export interface ChallengeFile {
  readonly credentialBlob: Buffer
  readonly encryptedSecret: Buffer
}

const base64 = v.pipe(v.string(), v.maxLength(64 << 10))
const request = {
  akPublicArea: base64,
  ekCertificate: base64,
  ekIntermediates: v.pipe(v.array(base64), v.maxLength(16)),
}
const schemas = {
  request: v.strictObject({ v: v.literal(1), type: v.literal('enrollment-request'), ...request }),
  challenge: v.strictObject({
    v: v.literal(1),
    type: v.literal('enrollment-challenge'),
    credentialBlob: base64,
    encryptedSecret: base64,
  }),
  answer: v.strictObject({ v: v.literal(1), type: v.literal('enrollment-answer'), secret: base64 }),
}
type Kind = keyof typeof schemas

/** The bytes of an enrollment file: canonical JSON, binary fields in base64. */
export function enrollmentBytes(
  kind: Kind,
  fields: Readonly<Record<string, Buffer | string | readonly Buffer[]>>,
): Buffer {
  const plain = Object.entries(fields).map(([key, value]) => [
    key,
    typeof value === 'string'
      ? value
      : Buffer.isBuffer(value)
        ? value.toString('base64')
        : value.map(b => b.toString('base64')),
  ])
  return canonicalJsonBytes({ v: 1, type: `enrollment-${kind}`, ...Object.fromEntries(plain) })
}

function parse<K extends Kind>(kind: K, path: string, bytes: Buffer): v.InferOutput<(typeof schemas)[K]> {
  const json: JsonValue = parseJson(bytes, { maxBytes: 1 << 20, maxDepth: 3 })
  const parsed = v.safeParse(schemas[kind], json)
  if (parsed.success) return parsed.output as v.InferOutput<(typeof schemas)[K]>
  const field = v.getDotPath(parsed.issues[0])
  throw new CliError(
    'FILE_MALFORMED',
    `${path} is not an enrollment ${kind}${field === null ? '' : ` (${field})`}`,
    {
      at: path,
    },
  )
}

function requestFields(file: {
  akPublicArea: string
  ekCertificate: string
  ekIntermediates: string[]
}): RequestFile {
  return {
    akPublicArea: base64ToBytes(file.akPublicArea),
    ekCertificate: base64ToBytes(file.ekCertificate),
    ekIntermediates: file.ekIntermediates.map(text => base64ToBytes(text)),
  }
}

/** @throws CliError */
export function readRequest(path: string): Promise<RequestFile> {
  return readAs(path, 'an enrollment request', bytes => requestFields(parse('request', path, bytes)))
}

/** @throws CliError */
export function readChallenge(path: string): Promise<ChallengeFile> {
  return readAs(path, 'an enrollment challenge', bytes => {
    const file = parse('challenge', path, bytes)
    return {
      credentialBlob: base64ToBytes(file.credentialBlob),
      encryptedSecret: base64ToBytes(file.encryptedSecret),
    }
  })
}

/** @throws CliError */
export function readAnswer(path: string): Promise<Buffer> {
  return readAs(path, 'an enrollment answer', bytes => base64ToBytes(parse('answer', path, bytes).secret))
}
