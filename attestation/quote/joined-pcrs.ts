import { hashName, hashSize, type PcrSelection } from '../tpm2/structures/index.ts'
import { type BankValues, composite, type PcrValues } from './pcr-digest.ts'
import { bankName } from './selection-text.ts'

/** The selected values one after the other in selection order: what a quote's pcrDigest is the hash of. Null when one is missing. */
export function joinPcrs(selection: readonly PcrSelection[], values: BankValues): Buffer | null {
  return composite(selection, bank => values.get(bankName(bank) as 'sha256'))
}

/**
 * The inverse, for a selection of one bank.
 *
 * @param bytes whose digest is known to be the quoted one
 * @returns null when they are not as long as the selected values
 */
export function splitPcrs(selection: readonly PcrSelection[], bytes: Buffer): PcrValues | null {
  const [only, ...more] = selection
  const name = only && hashName(only.bank)
  if (only === undefined || name === undefined || more.length > 0) return null
  const size = hashSize(name)
  if (bytes.length !== only.pcrs.length * size) return null
  return new Map(only.pcrs.map((pcr, i) => [pcr, bytes.subarray(i * size, (i + 1) * size)]))
}
