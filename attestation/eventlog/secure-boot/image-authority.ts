import type { DecodedKind, LoggedEvent, SignatureEntry } from '../decode/index.ts'
import { GUID } from '../decode/index.ts'

/** The entry of a database that an image was verified with. Bound by the register of Secure Boot. */
export interface Authority {
  readonly event: number
  /** Whether firmware measured it before its separator, for a driver, or after it, for what it booted. */
  readonly phase: 'before-separator' | 'after-separator'
  /** Which database: `db`, or shim's `MokListRT`, `vendor_db`, `Shim` (its built-in certificate) and so on. */
  readonly database: string
  readonly guid: string
  readonly entry: SignatureEntry
}

/** An image that firmware or shim loaded. Its digest is bound; the path and the pairing with an authority are not. */
export interface LoadedImage {
  readonly event: number
  readonly register: number
  readonly image: DecodedKind<'image-load'>['image']
  /** In hex, in the bank that the log was read by. */
  readonly digest: string
  readonly path: string | null
  /**
   * The authority that was logged for this image. Null when none was: each verifier logs an authority once, so that an image may also rely
   * on one that was logged before, and without Secure Boot nothing is verified.
   *
   * Images and authorities are extended into different registers, and nothing binds the order between two registers: who can change the
   * log can pair them otherwise. Nor can anybody take one away; but who runs later can extend more of both, without any image.
   */
  readonly authority: Authority | null
}

/**
 * Finds the authority of each image by the order of the log. Firmware verifies, then measures. shim measured first up to 15.2 and still
 * does for what its protocol verifies; its images come from itself, with the authority right behind (pe.c, shim.c: tpm_log_pe and
 * verify_buffer).
 */
export class AuthorityPairing {
  readonly #images: { image: LoadedImage; position: number }[] = []
  #pending: Authority | null = null
  #shim = false
  #position = 0

  /** To be called with every event of the log, in order. */
  step({ event, decoded }: LoggedEvent, authority: Authority | null): void {
    this.#position++
    if (decoded.kind === 'ipl' && decoded.form === 'shim-variable') this.#shim = true
    if (decoded.kind === 'variable-authority' && decoded.guid.value === GUID.shimLock) this.#shim = true
    if (authority !== null) this.#authorize(authority)
    if (decoded.kind !== 'image-load' || !decoded.digest.bound) return
    const { image, digest, devicePath } = decoded
    const path = devicePath.value?.text ?? null
    const loaded = { event: event.index, register: event.pcr, image, digest: digest.value, path }
    this.#images.push({ image: { ...loaded, authority: this.#pending }, position: this.#position })
    this.#pending = null
  }

  #authorize(authority: Authority): void {
    const { entry } = authority
    // Only shim leaves the owner out.
    if (entry.kind !== 'other' && entry.owner === null) this.#shim = true
    const last = this.#images.at(-1)
    const isBehindImage = last?.position === this.#position - 1 && last.image.authority === null
    if (!this.#shim || last === undefined || !isBehindImage) this.#pending = authority
    else last.image = { ...last.image, authority }
  }

  images(): readonly LoadedImage[] {
    return this.#images.map(({ image }) => image)
  }
}
