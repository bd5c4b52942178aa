import { hash } from 'node:crypto'
import type { HashAlgorithm } from '../tpm2/structures/index.ts'
import type { UserspaceEvent } from './record.ts'

/**
 * The PCRs of one bank after systemd's measurements, which all come after the firmware's: boot services have ended before the kernel
 * starts, so the firmware's log is whole by then.
 *
 * A record without the bank's digest leaves the value as it was, and a quote will not match; systemd writes all active banks.
 *
 * @param boot the bank, and its PCRs after the firmware's log
 */
export function extendByUserspace(
  boot: { readonly bank: HashAlgorithm; readonly pcrs: ReadonlyMap<number, Buffer> },
  events: readonly UserspaceEvent[],
): ReadonlyMap<number, Buffer> {
  const pcrs = new Map(boot.pcrs)
  for (const { pcr, digests } of events) {
    // NV indices and the registers of a confidential VM are no PCRs, whatever their numbers.
    if (pcr === null) continue
    const value = pcrs.get(pcr)
    const digest = digests.get(boot.bank)
    if (value !== undefined && digest !== undefined) {
      pcrs.set(pcr, hash(boot.bank, Buffer.concat([value, digest]), 'buffer'))
    }
  }
  return pcrs
}
