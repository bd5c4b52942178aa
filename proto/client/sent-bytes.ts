/**
 * Most bytes that are remembered. On their way between a caller and a workload's pipe are at most some 2 MiB: 16 messages of 64 KiB on either side, and
 * the windows of HTTP/2; test/daemon/rpc/execute.test.ts measures it.
 */
export const REMEMBERED = 4 * 1024 * 1024
const AT_FIRST = 64 * 1024

/** The newest bytes of what was sent, to be sent again. Its memory grows with what goes through, to a limit. */
export class SentBytes {
  readonly #most: number
  #ring: Buffer = Buffer.allocUnsafeSlow(0)
  #sent = 0

  /** @param most bytes that are remembered */
  constructor(most = REMEMBERED) {
    this.#most = most
  }

  /** Bytes that were sent in all. */
  get total(): number {
    return this.#sent
  }

  /** Copies what is being sent. */
  add(bytes: Uint8Array): void {
    this.#makeRoom(bytes.length)
    const size = this.#ring.length
    const kept = bytes.subarray(Math.max(0, bytes.length - size))
    const at = size === 0 ? 0 : (this.#sent + bytes.length - kept.length) % size
    const first = kept.subarray(0, size - at)
    this.#ring.set(first, at)
    this.#ring.set(kept.subarray(first.length), 0)
    this.#sent += bytes.length
  }

  /** A copy of all that was sent after the first `position` bytes; null if that reaches further back than is remembered. */
  from(position: number): Buffer | null {
    const length = this.#sent - position
    if (length < 0 || length > Math.min(this.#sent, this.#ring.length)) return null
    const copy = Buffer.allocUnsafe(length)
    if (length === 0) return copy
    const at = position % this.#ring.length
    const copied = this.#ring.copy(copy, 0, at, Math.min(at + length, this.#ring.length))
    this.#ring.copy(copy, copied, 0, length - copied)
    return copy
  }

  /** Until it is full it begins at the first byte, so growing moves nothing. */
  #makeRoom(more: number): void {
    const wanted = Math.min(this.#most, this.#sent + more)
    if (wanted <= this.#ring.length) return
    let size = Math.max(AT_FIRST, this.#ring.length)
    while (size < wanted) size *= 2
    const grown = Buffer.allocUnsafeSlow(Math.min(size, this.#most))
    this.#ring.copy(grown, 0, 0, this.#sent)
    this.#ring = grown
  }
}
