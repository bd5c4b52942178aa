import { type BankName, bankDigest, isHashAlgorithm } from '../bank.ts'
import type { TcgEvent } from '../parse.ts'
import type { RegisterKind } from '../registers.ts'

/** PFP 1.06, section 10.4.1: no error, and the other value that says so. */
const SEPARATORS = ['00000000', 'ffffffff']
/** The same section: firmware met an error. A confidential machine measures boot orders such as 0001, 0000 into the register too. */
const ERROR = '01000000'

const digests = new Map<BankName, readonly Buffer[]>()

/** The error comes last. */
function separatorDigests(bank: BankName): readonly Buffer[] {
  const known = digests.get(bank)
  if (known !== undefined) return known
  const made = [...SEPARATORS, ERROR].map(value => bankDigest(bank, Buffer.from(value, 'hex')))
  digests.set(bank, made)
  return made
}

/**
 * Whether an event extended its register with a separator, whatever the log calls it: types are not measured, so who has the log could
 * hide the separator, extend a variable of his own after it, and have that believed (google/go-attestation, docs/event-log-disclosure.md).
 * One bank is enough.
 */
export function isSeparator(event: TcgEvent, kind: RegisterKind): boolean {
  for (const [bank, digest] of event.digests) {
    if (!isHashAlgorithm(bank)) continue
    const separators = separatorDigests(bank).slice(0, kind === 'cc' ? SEPARATORS.length : undefined)
    if (separators.some(separator => separator.equals(digest))) return true
  }
  return false
}
