import {
  MAX_REFERENCE_ENVELOPE_BYTES,
  parseReferenceValues,
  type ReferenceValues,
} from '../../attestation/index.ts'
import { CliError } from '../error.ts'
import { readAs } from '../files.ts'
import { readTrustedKey } from '../keys.ts'
import { openReferenceValues } from '../reference-values.ts'

/** Reference values from a file. */
export interface ReferenceFile {
  readonly values: ReferenceValues
  /** Whether a signature by the operator's key was checked. */
  readonly signed: boolean
}

/** What a captured document is not, and an envelope is. */
const ENVELOPE = /^\s*\{[^{}]*"payloadType"/

/**
 * Reads reference values: signed ones with the operator's key, or a captured document that nobody has signed yet.
 *
 * @throws CliError also for a signed file without a key, whose signature nobody would check
 */
export async function readReferenceFile(
  path: string,
  operatorKey: string | undefined,
  maxBytes = MAX_REFERENCE_ENVELOPE_BYTES,
): Promise<ReferenceFile> {
  if (operatorKey !== undefined) {
    const key = await readTrustedKey(operatorKey, "the operator's key")
    const values = await readAs(
      path,
      'reference values',
      bytes => openReferenceValues(bytes, [key]),
      maxBytes,
    )
    return { values, signed: true }
  }
  const values = await readAs(
    path,
    'reference values',
    bytes => {
      if (ENVELOPE.test(bytes.subarray(0, 4096).toString('latin1')) || isEnvelope(bytes))
        throw unchecked(path)
      return parseReferenceValues(bytes)
    },
    maxBytes,
  )
  return { values, signed: false }
}

/** A signed file ends with its signatures where its payload is long. */
function isEnvelope(bytes: Buffer): boolean {
  return bytes.subarray(0, 32).toString('latin1').includes('"payload"')
}

function unchecked(path: string): CliError {
  return new CliError('USAGE', `${path} is signed, and no key was given to check its signature with`, {
    at: path,
    next: "Give the operator's public key with --operator-key.",
  })
}
