import { ByteReader } from '../../../encoding/byte-reader.ts'
import { malformed } from './error.ts'
import type { Coverage, Field } from './field.ts'
import { field } from './field.ts'

/** A part of an event's data, with where it begins there. The host controls the bytes. */
export interface Slice {
  readonly bytes: Buffer
  readonly start: number
}

/** All of an event's data. */
export function wholeOf(data: Buffer): Slice {
  return { bytes: data, start: 0 }
}

/**
 * Reads one structure of an event's data. Like its base it never reads past the end; it also knows where in the event's data it
 * stands, so that errors name that offset and each field knows whether a digest covers it.
 */
export class SliceReader extends ByteReader {
  readonly #slice: Slice
  readonly #covered: Coverage | null

  constructor(slice: Slice, what: string, covered: Coverage | null = null) {
    super(slice.bytes, what, slice.start)
    this.#slice = slice
    this.#covered = covered
  }

  /** Where the next read begins, from the start of the event's data. */
  get position(): number {
    return this.#slice.start + this.offset
  }

  /** What `read` gives, and whether a digest covers the bytes that it took. */
  field<T>(read: () => T): Field<T> {
    const from = this.position
    const value = read()
    return field(value, this.#covered, from, this.position)
  }

  /** The next `length` bytes as a part that can be read by itself. */
  slice(length: number, name: string): Slice {
    const start = this.position
    return { bytes: this.bytes(length, name), start }
  }

  /** All that is left, which stays to be read. */
  peek(): Slice {
    return { bytes: this.#slice.bytes.subarray(this.offset), start: this.position }
  }

  /** All that is left. */
  rest(name: string): Slice {
    return this.slice(this.remaining, name)
  }

  /** A 64-bit length or count, which has to be at most `most`: the value is the host's, and becomes a number only when it is small. */
  size64(name: string, most: number): number {
    const at = this.position
    const size = this.u64le(name)
    if (size > BigInt(most)) throw malformed(`${name} is ${size}, at most ${most} are possible`, at)
    return Number(size)
  }
}
