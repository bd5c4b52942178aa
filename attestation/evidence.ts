import type { Quote } from './quote/index.ts'

/** What a host shows of itself, as raw bytes. All of it is controlled by the host until the quote has been matched. */
export interface Evidence {
  readonly quote: Quote
  /** `/sys/kernel/security/tpm0/binary_bios_measurements`. */
  readonly eventLog: Uint8Array
  /** `/run/log/systemd/tpm2-measure.log`; null when the host has none. */
  readonly userspaceLog: Uint8Array | null
  /** `/sys/kernel/security/ima/binary_runtime_measurements`, read after the quote; null when the host has none. */
  readonly imaLog: Uint8Array | null
}
