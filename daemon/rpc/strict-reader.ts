import { isUtf8 } from 'node:buffer'
import protobuf from 'protobufjs'
import { WritError } from '../../encoding/error.ts'

/**
 * Most numbers that are read of the form of one message: each field takes one for its tag, one more for a length. The largest request that
 * can be valid (4096 arguments, 1024 variables, 255 files, 64 paths and devices) has about 15,000.
 */
export const MAX_WIRE_NUMBERS = 32_768

export type WireErrorCode = 'TEXT_NOT_UTF8' | 'TOO_MANY_FIELDS'

/** A message whose form is at fault, whatever it says. */
export class WireError extends WritError<WireErrorCode> {}

/**
 * Reads one protobuf message as the specification has it, which the package does not: text that is not UTF-8 or that goes on beyond the
 * message is refused (protobuf.dev, "Proto3", scalar value types), not replaced and cut. And it reads a bounded number of fields: four megabytes
 * of empty arguments, two bytes each, would otherwise keep the daemon's only thread for seconds.
 */
export class StrictReader extends protobuf.BufferReader {
  #left = MAX_WIRE_NUMBERS

  override uint32(): number {
    if (--this.#left < 0)
      throw new WireError(
        'TOO_MANY_FIELDS',
        `the message has too many fields, at most about ${MAX_WIRE_NUMBERS / 2}`,
      )
    return super.uint32()
  }

  override string(): string {
    const bytes = this.bytes() as Buffer
    if (!isUtf8(bytes)) throw new WireError('TEXT_NOT_UTF8', 'a text in the message is not UTF-8')
    return bytes.toString('utf8')
  }
}
