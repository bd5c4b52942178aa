import {
  MAX_REFERENCE_ENVELOPE_BYTES,
  parseReferenceValues,
  type WrittenReferenceValues,
} from '../../attestation/index.ts'
import { CliError } from '../error.ts'
import { readAs, readDocument } from '../files.ts'
import { readTrustedKey } from '../keys.ts'
import { openReferenceValues } from '../reference-values.ts'

/** Reference values from a file. */
export interface ReferenceFile {
  readonly values: WrittenReferenceValues
  /** Whether a signature by the operator's key was checked. */
  readonly signed: boolean
}

/**
 * Reads reference values: signed ones with the operator's key, or a captured document that nobody has signed yet.
 *
 * @throws CliError `NOT_VERIFIED` for what is malformed or not by that key; also for a signed file without a key, whose signature nobody would check
 */
export async function readReferenceFile(
  path: string,
  operatorKey: string | undefined,
): Promise<ReferenceFile> {
  if (operatorKey !== undefined) {
    const key = await readTrustedKey(operatorKey, "the operator's key")
    const values = await readAs(
      path,
      'reference values',
      bytes => openReferenceValues(bytes, [key]),
      MAX_REFERENCE_ENVELOPE_BYTES,
      'NOT_VERIFIED',
    )
    return { values, signed: true }
  }
  const values = await readAs(
    path,
    'reference values',
    bytes => {
      if (isEnvelope(bytes)) throw unchecked(path)
      return parseReferenceValues(bytes)
    },
    MAX_REFERENCE_ENVELOPE_BYTES,
    'NOT_VERIFIED',
  )
  return { values, signed: false }
}

/**
 * The same for a second file, of either kind: what is signed has to be signed by the operator, what was just captured is not signed yet.
 *
 * @throws CliError
 */
export async function readAnyReference(
  path: string,
  operatorKey: string | undefined,
): Promise<ReferenceFile> {
  const bytes = await readDocument(path, 'reference values', MAX_REFERENCE_ENVELOPE_BYTES)
  return readReferenceFile(path, isEnvelope(bytes) ? operatorKey : undefined)
}

/** A captured document has no such member, and names of its own would have to be escaped. */
function isEnvelope(bytes: Buffer): boolean {
  const begin = bytes.subarray(0, 256).toString('latin1')
  return /^\s*\{\s*"(?:payload|payloadType|signatures)"\s*:/.test(begin)
}

function unchecked(path: string): CliError {
  return new CliError('USAGE', `${path} is signed, and no key was given to check its signature with`, {
    at: path,
    next: "Give the operator's public key with --operator-key.",
  })
}
