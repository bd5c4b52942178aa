import {
  compareWithQuoted,
  type HashAlgorithm,
  ImaKeyring,
  ImaLogError,
  type ImaLogForm,
  ImaLogReader,
  readImaKeys,
  type SignatureOutcome,
  verifyEntrySignature,
} from '../../../attestation/index.ts'
import type { JsonValue } from '../../../encoding/json.ts'
import type { Answer, Answerer } from '../case.ts'

/** The banks that the suite states. */
const BANKS: readonly HashAlgorithm[] = ['sha1', 'sha256']

/** The outcomes that the suite names. */
const OUTCOMES: Readonly<Partial<Record<SignatureOutcome, string>>> = {
  valid: 'valid',
  'unknown-key': 'no-key',
}

/** IMA lists: what they say, and whether they stand for the quoted values of PCR 10. */
export const answerIma: Answerer = ({ path, bytes, given, read }): Answer => {
  const form = (given.format ?? (path.endsWith('.bin') ? 'binary' : 'ascii')) as ImaLogForm
  const names = (given.keys ?? []) as string[]
  const keyring = new ImaKeyring(names.flatMap(name => readImaKeys(read(name), name)))
  const signatures: Record<string, number[]> = {}
  try {
    const reader = new ImaLogReader({
      form,
      banks: BANKS,
      onEntry: entry => {
        const outcome = OUTCOMES[verifyEntrySignature(entry, keyring).outcome]
        if (outcome !== undefined) signatures[outcome] = [...(signatures[outcome] ?? []), entry.index]
      },
    })
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
      signatures,
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
