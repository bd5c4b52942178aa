import { EncodingError } from './error.ts'

/**
 * Reads integers and slices from bytes that an attacker may control. Every read is bounded by what is left, so a
 * length field never leads to an allocation or a read past the end. Slices are views, not copies.
 */
export class ByteReader {
  readonly #bytes: Buffer
  readonly #what: string
  readonly #base: number
  #offset = 0

  /**
   * @param what names the structure in errors, for example `TPMS_ATTEST`.
   * @param base where these bytes begin in the input that errors count their offset from
   */
  constructor(bytes: Uint8Array, what: string, base = 0) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#what = what
    this.#base = base
  }

  get offset(): number {
    return this.#offset
  }

  get remaining(): number {
    return this.#bytes.length - this.#offset
  }

  #take(length: number, field: string): number {
    if (length > this.remaining) {
      throw new EncodingError(
        'TRUNCATED',
        `${this.#what}: ${field} needs ${length} bytes at offset ${this.#base + this.#offset}, ${this.remaining} are left`,
        { at: `${field}@${this.#base + this.#offset}`, offset: this.#base + this.#offset },
      )
    }
    const start = this.#offset
    this.#offset += length
    return start
  }

  u8(field: string): number {
    return this.#bytes.readUInt8(this.#take(1, field))
  }
  u16be(field: string): number {
    return this.#bytes.readUInt16BE(this.#take(2, field))
  }
  u32be(field: string): number {
    return this.#bytes.readUInt32BE(this.#take(4, field))
  }
  u64be(field: string): bigint {
    return this.#bytes.readBigUInt64BE(this.#take(8, field))
  }
  u16le(field: string): number {
    return this.#bytes.readUInt16LE(this.#take(2, field))
  }
  u32le(field: string): number {
    return this.#bytes.readUInt32LE(this.#take(4, field))
  }
  u64le(field: string): bigint {
    return this.#bytes.readBigUInt64LE(this.#take(8, field))
  }

  /** A view of the next `length` bytes. */
  bytes(length: number, field: string): Buffer {
    const start = this.#take(length, field)
    return this.#bytes.subarray(start, start + length)
  }

  /** A TPM2B: a big-endian 16-bit size and that many bytes (TPM 2.0 Part 2, section 10.4). */
  sized16be(field: string): Buffer {
    return this.bytes(this.u16be(`${field}.size`), field)
  }

  /** Fails unless everything has been read. */
  end(): void {
    if (this.remaining !== 0) {
      throw new EncodingError(
        'TRAILING_BYTES',
        `${this.#what}: ${this.remaining} bytes after its end at offset ${this.#base + this.#offset}`,
        { at: `@${this.#base + this.#offset}`, offset: this.#base + this.#offset },
      )
    }
  }
}
