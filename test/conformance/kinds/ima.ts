import {
  compareWithQuoted,
  type HashAlgorithm,
  ImaLogError,
  type ImaLogForm,
  ImaLogReader,
} from '../../../attestation/index.ts'
import type { JsonValue } from '../../../encoding/json.ts'
import type { Answer, Answerer } from '../case.ts'

/** The banks that the suite states. */
const BANKS: readonly HashAlgorithm[] = ['sha1', 'sha256']

/** IMA lists: what they say, and whether they stand for the quoted values of PCR 10. */
export const answerIma: Answerer = ({ path, bytes, given }): Answer => {
  const form = (given.format ?? (path.endsWith('.bin') ? 'binary' : 'ascii')) as ImaLogForm
  try {
    const reader = new ImaLogReader({ form, banks: BANKS })
    reader.push(bytes)
    const { entries, violations, firstBadEntry, pcr10 } = reader.end()
    const { faults, attested } = compareWithQuoted(bytes, quotedValues(given.quotedPcr10), form)
    return {
      parse: 'ok',
      verdict: faults.length === 0 ? 'accept' : 'reject',
      entries,
      violations,
      firstBadEntry,
      pcr10: { ...pcr10 },
      entriesAttested: { ...attested },
    }
  } catch (error) {
    if (!(error instanceof ImaLogError)) throw error
    return { parse: 'error', verdict: 'reject' }
  }
}

function quotedValues(quoted: JsonValue | undefined): ReadonlyMap<HashAlgorithm, Uint8Array> {
  const entries = Object.entries((quoted ?? {}) as Record<HashAlgorithm, string>)
  return new Map(entries.map(([bank, hex]) => [bank as HashAlgorithm, Buffer.from(hex, 'hex')]))
}
