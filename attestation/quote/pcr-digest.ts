import { hash } from 'node:crypto'
import { type HashAlgorithm, hashName, hashSize, type PcrSelection } from '../tpm2/structures/index.ts'
import { QuoteError } from './error.ts'
import { bankName } from './selection-text.ts'
import type { VerifiedQuote } from './verify.ts'

/** The values of one bank's PCRs. */
export type PcrValues = ReadonlyMap<number, Uint8Array>
/** The PCR values of several banks. */
export type BankValues = ReadonlyMap<HashAlgorithm, PcrValues>
type QuotedDigest = Pick<VerifiedQuote, 'pcrSelection' | 'pcrDigest' | 'hash'>

/**
 * The selected values in selection order, or null when one is missing or is not as long as its bank's digests: joined, values
 * of other lengths could stand for other values.
 */
export function composite(
  selection: readonly PcrSelection[],
  valuesOf: (bank: number) => PcrValues | undefined,
): Buffer | null {
  const parts: Uint8Array[] = []
  for (const { bank, pcrs } of selection) {
    if (pcrs.length === 0) continue
    const name = hashName(bank)
    const values = valuesOf(bank)
    for (const pcr of pcrs) {
      const value = values?.get(pcr)
      if (name === undefined || value?.length !== hashSize(name)) return null
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

/** {@link matchesPcrDigest} for values by the names of their banks. */
export function matchesBanks(quote: QuotedDigest, values: BankValues): boolean {
  return matchesPcrDigest(quote, id => values.get(bankName(id) as HashAlgorithm))
}

/**
 * That values which somebody brought beside a quote are the quoted ones. Values of PCRs that the quote does not cover are not looked at:
 * nothing is known of them.
 *
 * @throws QuoteError `QUOTE_PCR_DIGEST_MISMATCH`
 */
export function checkPcrValues(quote: QuotedDigest, values: BankValues): void {
  for (const { bank, pcrs } of quote.pcrSelection) {
    const name = hashName(bank)
    const missing = pcrs.find(
      pcr => name === undefined || values.get(name)?.get(pcr)?.length !== hashSize(name),
    )
    if (missing !== undefined) {
      throw mismatch(`no value of the right length was given for PCR ${missing} of ${bankName(bank)}`)
    }
  }
  if (!matchesBanks(quote, values)) throw mismatch('the PCR values that were given are not the quoted ones')
}

function mismatch(message: string): QuoteError {
  return new QuoteError('QUOTE_PCR_DIGEST_MISMATCH', message, { at: 'pcrDigest' })
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
  if (quote.pcrSelection.length !== 1) return () => false
  const fits = bankDigestMatcher(quote, new Map([[bank, values]]), pcr)
  return fits === null ? () => false : value => fits(() => value)
}

/**
 * {@link pcrDigestMatcher} over several banks: the PCR has a value of its own in each.
 *
 * @returns null when another selected PCR has no value, or this one is not selected
 */
export function bankDigestMatcher(
  quote: QuotedDigest,
  values: BankValues,
  pcr: number,
): ((pcrOf: (bank: HashAlgorithm) => Uint8Array) => boolean) | null {
  const filled = new Map<HashAlgorithm, PcrValues>()
  for (const [bank, known] of values) filled.set(bank, new Map(known).set(pcr, Buffer.alloc(hashSize(bank))))
  const bytes = composite(quote.pcrSelection, id => filled.get(bankName(id) as HashAlgorithm))
  const places = placesOf(quote.pcrSelection, pcr)
  if (bytes === null || places.length === 0) return null
  const wanted = quote.pcrDigest.toString('latin1')
  return pcrOf => {
    for (const { bank, at } of places) bytes.set(pcrOf(bank), at)
    return hash(quote.hash, bytes, 'latin1') === wanted
  }
}

/** Where a PCR's values stand among the joined ones. */
function placesOf(selection: readonly PcrSelection[], pcr: number): { bank: HashAlgorithm; at: number }[] {
  const places: { bank: HashAlgorithm; at: number }[] = []
  let start = 0
  for (const { bank: id, pcrs } of selection) {
    const bank = hashName(id)
    if (bank === undefined) continue
    const index = pcrs.indexOf(pcr)
    if (index >= 0) places.push({ bank, at: start + index * hashSize(bank) })
    start += pcrs.length * hashSize(bank)
  }
  return places
}
