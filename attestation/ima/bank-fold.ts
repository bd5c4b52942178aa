import { hash } from 'node:crypto'
import { type HashAlgorithm, hashSize } from '../tpm2/structures/index.ts'
import type { ImaExtend } from './replay.ts'

/** PCR 10 of one bank, entry by entry, without a memory of what it was. */
export class BankFold {
  readonly bank: HashAlgorithm
  readonly extend: ImaExtend
  readonly #size: number
  readonly #scratch: Buffer

  constructor(bank: HashAlgorithm, extend: ImaExtend) {
    this.bank = bank
    this.extend = extend
    this.#size = hashSize(bank)
    this.#scratch = Buffer.alloc(2 * this.#size)
  }

  /** PCR 10 now. */
  get value(): Buffer {
    return Buffer.from(this.#scratch.subarray(0, this.#size))
  }

  /** @param data what the template hash is over, or null for a violation */
  add(data: Uint8Array | null): void {
    const scratch = this.#scratch
    const size = this.#size
    if (data === null) scratch.fill(0xff, size)
    else if (this.extend === 'native') hash(this.bank, data, 'buffer').copy(scratch, size)
    else hash('sha1', data, 'buffer').copy(scratch.fill(0, size), size)
    hash(this.bank, scratch, 'buffer').copy(scratch)
  }
}
