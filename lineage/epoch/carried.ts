import { type JsonObject, parseJson } from '../../encoding/json.ts'
import { MAX_BLOB_BYTES } from '../blob-store.ts'
import { LineageError } from '../error.ts'
import { constant, integer, list, object, oneOf, type TypeOf } from '../events/codec.ts'
import { digest, executionId } from '../events/fields.ts'

/** Most digests of what ran that are carried over: the newest. Each is 67 bytes of a blob. */
export const MAX_GOVERNED = 400_000

const schema = object({
  v: constant(1),
  /** SHA-256 of the subjects of every START that could be read, the newest last: what IMA may have measured on their behalf. */
  governed: list(digest, MAX_GOVERNED),
  /** Executions with a START and no end. */
  open: list(executionId, 65_536),
  /** Documents that entries name and that nobody can read any more. */
  lost: list(
    object({
      index: integer(),
      type: oneOf('revocation', 'trust-roots', 'policy', 'host-labels', 'secret-policy', 'reference-values'),
      blob: digest,
    }),
    65_536,
  ),
})

/** What a new epoch goes on with that is no entry of its own. */
export type Carried = Omit<TypeOf<typeof schema>, 'v'>

/** The one encoding: canonical JSON. @throws LineageError `EVENT_INVALID` */
export function encodeCarried(carried: Carried): Buffer {
  return Buffer.from(schema.write({ v: 1, ...carried }), 'utf8')
}

/**
 * Reads what {@link encodeCarried} writes, and nothing else.
 *
 * @param bytes controlled by whoever wrote the log
 * @throws LineageError `EVENT_INVALID`
 */
export function parseCarried(bytes: Uint8Array): Carried {
  let value: unknown
  try {
    value = parseJson(bytes, { maxBytes: MAX_BLOB_BYTES, maxDepth: 4 })
  } catch (cause) {
    throw new LineageError('EVENT_INVALID', `what an epoch carries over is not JSON: ${String(cause)}`, {
      cause,
    })
  }
  if (!Buffer.from(schema.write(value), 'utf8').equals(bytes))
    throw new LineageError('EVENT_INVALID', 'what an epoch carries over is not in canonical form')
  const { governed, open, lost } = value as JsonObject as unknown as Carried
  return { governed, open, lost }
}
