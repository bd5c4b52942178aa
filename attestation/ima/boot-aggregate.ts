import { hash } from 'node:crypto'
import type { HashAlgorithm } from '../tpm2/structures/index.ts'

/** The name under which the first entry stands (ima_add_boot_aggregate). */
export const BOOT_AGGREGATE = 'boot_aggregate'

/**
 * The digests that `boot_aggregate` may have: over PCR 0 to 7, or, since Linux 5.10 and for other hashes than SHA-1, over PCR 0 to 9
 * (ima_calc_boot_aggregate_tfm), of the bank that has IMA's hash.
 *
 * @param pcrs that bank's values when the kernel started, PCR 0 to 9
 * @returns `algorithm:hex` for each form
 */
export function bootAggregates(bank: HashAlgorithm, pcrs: ReadonlyMap<number, Uint8Array>): string[] {
  return [8, 10].flatMap(count => {
    const values = Array.from({ length: count }, (_, pcr) => pcrs.get(pcr))
    if (!values.every(value => value !== undefined)) return []
    return `${bank}:${hash(bank, Buffer.concat(values), 'hex')}`
  })
}
