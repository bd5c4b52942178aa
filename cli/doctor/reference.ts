import {
  MAX_REFERENCE_ENVELOPE_BYTES,
  parseReferenceValues,
  type ReferenceValues,
} from '../../attestation/index.ts'
import { WritError } from '../../encoding/error.ts'
import { parseEnvelope } from '../../signing/dsse.ts'
import { type Look, seen, unseen, valueIn } from '../probe/index.ts'
import type { Host } from './host.ts'

/**
 * The reference values that the host is judged by, as far as they are at hand: those that the configuration names, unless the daemon says that
 * it has others in force.
 */
export async function referenceInForce(host: Host): Promise<Look<ReferenceValues>> {
  const values = await readReferenceFile(host)
  if (!values.seen || (await otherInForce(host, values.value)) === null) return values
  return unseen('unsupported', 'the reference values that are in force are not those of the file')
}

/** The digest of what the daemon has in force; null if that is the file, or not known. */
export async function otherInForce(host: Host, { digest }: ReferenceValues): Promise<string | null> {
  const status = valueIn(await host.status())
  const inForce = status?.referenceValuesDigest ?? ''
  return inForce === '' || inForce === digest ? null : inForce
}

/**
 * The reference values that the configuration names, without their signatures: they are looked at and nothing is judged by them. A running
 * daemon may have later ones in force.
 */
export async function readReferenceFile(host: Host): Promise<Look<ReferenceValues>> {
  const config = await host.values()
  if (!config.seen) return config
  const path = config.value.attestation.referenceValues
  if (path === undefined) return unseen('missing', 'the configuration names no reference values')
  const bytes = await host.probes.files.read(path, MAX_REFERENCE_ENVELOPE_BYTES)
  if (!bytes.seen) return bytes
  try {
    return seen(parseReferenceValues(parseEnvelope(bytes.value, MAX_REFERENCE_ENVELOPE_BYTES).payload))
  } catch (error) {
    if (error instanceof WritError) return unseen('failed', error.message, error.code)
    throw error
  }
}
