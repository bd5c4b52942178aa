import {
  MAX_REFERENCE_BYTES,
  MAX_REFERENCE_ENVELOPE_BYTES,
  parseReferenceValues,
  REFERENCE_VALUES_TYPE,
} from '../../attestation/index.ts'
import { signEnvelope } from '../../signing/dsse.ts'
import type { Signer } from '../../signing/key.ts'
import { readAs, writeDocument } from '../files.ts'

/**
 * Signs captured reference values as they are in a file. Nothing is overwritten.
 *
 * @returns the values
 * @throws CliError
 */
export async function signReferenceFile(
  path: string,
  key: Signer,
  out: string,
): Promise<ReturnType<typeof parseReferenceValues>> {
  const { payload, values } = await readAs(
    path,
    'reference values',
    bytes => ({ payload: bytes, values: parseReferenceValues(bytes) }),
    MAX_REFERENCE_BYTES,
    'NOT_VERIFIED',
  )
  await writeDocument(out, signEnvelope(REFERENCE_VALUES_TYPE, payload, [key], MAX_REFERENCE_ENVELOPE_BYTES))
  return values
}
