import { hash } from 'node:crypto'
import { type HashAlgorithm, hashName, hashSize, type PcrSelection } from '../tpm2/structures/index.ts'
import type { VerifiedQuote } from './verify.ts'

/** The values of one bank's PCRs. */
export type PcrValues = ReadonlyMap<number, Uint8Array>
type QuotedDigest = Pick<VerifiedQuote, 'pcrSelection' | 'pcrDigest' | 'hash'>

/** The selected values in selection order, or null when one is missing. */
function composite(
  selection: readonly PcrSelection[],
  valuesOf: (bank: number) => PcrValues | undefined,
): Buffer | null {
  const parts: Uint8Array[] = []
  for (const { bank, pcrs } of selection) {
    const values = valuesOf(bank)
    for (const pcr of pcrs) {
      const value = values?.get(pcr)
      if (value === undefined) return null
      parts.push(value)
    }
  }
  return Buffer.concat(parts)
}

/**
 * Whether these values are the quoted ones: the digest is over all selected PCRs in selection order, by the hash of the
 * *signature* (TPM 2.0 Part 3, section 18.4). A missing value is false.
 *
 * @param valuesOf the PCR values of a bank by its TPM_ALG_ID
 */
export function matchesPcrDigest(
  quote: QuotedDigest,
  valuesOf: (bank: number) => PcrValues | undefined,
): boolean {
  const bytes = composite(quote.pcrSelection, valuesOf)
  return bytes !== null && hash(quote.hash, bytes, 'buffer').equals(quote.pcrDigest)
}

/**
 * {@link matchesPcrDigest} for one PCR that may have had many values while the others stand still.
 *
 * @param values the bank's values; that of `pcr` does not matter
 * @returns whether the quoted digest has this value in `pcr`
 */
export function pcrDigestMatcher(
  quote: QuotedDigest,
  bank: HashAlgorithm,
  values: PcrValues,
  pcr: number,
): (value: Uint8Array) => boolean {
  const size = hashSize(bank)
  const all = new Map(values).set(pcr, Buffer.alloc(size))
  const bytes = composite(quote.pcrSelection, id => (hashName(id) === bank ? all : undefined))
  const position = quote.pcrSelection.find(({ bank: id }) => hashName(id) === bank)?.pcrs.indexOf(pcr) ?? -1
  if (bytes === null || quote.pcrSelection.length !== 1 || position < 0) return () => false
  const wanted = quote.pcrDigest.toString('latin1')
  return value => {
    bytes.set(value, position * size)
    return hash(quote.hash, bytes, 'latin1') === wanted
  }
}
