import type { NvPublic } from './commands/nv.ts'
import { TPM_NT_COUNTER } from './constants.ts'
import { TpmError } from './error.ts'
import type { Entity } from './marshal.ts'

/** A number in the TPM's NV memory that only ever goes up, also when its index is defined anew (TPM 2.0 Part 1, section 37.2.4). */
export interface NvCounter {
  /** The present value. */
  read(): Promise<bigint>
  /**
   * Adds one and returns the new value; durable once it returns. After an error the counter may have moved or not:
   * {@link read} tells. It is never sent twice.
   */
  increment(): Promise<bigint>
}

/** Whether TPMA_NV says that this index is a counter (Part 2, section 13.4, bits 4 to 7). */
export function isCounter(nv: NvPublic): boolean {
  return ((nv.attributes >>> 4) & 0xf) === TPM_NT_COUNTER && nv.dataSize === 8
}

/** @throws TpmError `TPM_RC` when there is no such index or it is no counter */
export function requireCounter(nv: NvPublic | undefined, index: number): Entity {
  if (!nv) throw new TpmError('TPM_RC', `no NV index 0x${index.toString(16)}`, { rc: 0x18b })
  if (!isCounter(nv)) throw new TpmError('TPM_MALFORMED', `NV index 0x${index.toString(16)} is no counter`)
  return { handle: index, name: nv.name }
}
