import type { Tpm } from '../../attestation/tpm2/index.ts'
import type { Instruments } from './instruments.ts'

/** How long what was seen counts: the TPM is asked no oftener, since each command of it is one that the lease may wait for. */
const LOOK_MS = 60_000

/**
 * Notes whether the TPM is in dictionary attack lockout. No command of the daemon fails of it, as all of its objects are exempt (noDA, TPMA_NV_NO_DA),
 * so that nobody would see it until a disk does not open.
 */
export class LockoutWatch {
  readonly #tpm: Pick<Tpm, 'hierarchies'>
  readonly #gauge: Instruments['tpmLockout']
  readonly #nowMs: () => number
  #nextMs = Number.NEGATIVE_INFINITY

  constructor(
    tpm: Pick<Tpm, 'hierarchies'>,
    { tpmLockout }: Pick<Instruments, 'tpmLockout'>,
    nowMs = () => performance.now(),
  ) {
    this.#tpm = tpm
    this.#gauge = tpmLockout
    this.#nowMs = nowMs
  }

  /** Looks if it is time to; called after each cycle of evidence, which nothing here holds up. Never rejects. */
  async look(): Promise<void> {
    if (this.#nowMs() < this.#nextMs) return
    // Not again while it is asked either.
    this.#nextMs = Number.POSITIVE_INFINITY
    await this.#tpm.hierarchies().then(
      ({ inLockout }) => this.#gauge.set(inLockout ? 1 : 0),
      () => this.#gauge.set(null),
    )
    this.#nextMs = this.#nowMs() + LOOK_MS
  }
}
