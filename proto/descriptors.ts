import { EncodingError } from '../encoding/error.ts'
import { shippedFile } from '../encoding/shipped.ts'

/**
 * The FileDescriptorProto of every file of the API and of what it imports, and those of health and reflection, each in its wire form, as
 * `generate.sh` had them compiled.
 *
 * @throws EncodingError if the file that was installed is damaged
 */
export function fileDescriptors(): Buffer[] {
  return filesOf(shippedFile('descriptors'))
}

/** Field 1, length-delimited: `repeated FileDescriptorProto file = 1` (google/protobuf/descriptor.proto). */
const FILE_TAG = 0x0a

/** Splits a FileDescriptorSet, which has no other field, into its files. @throws EncodingError */
export function filesOf(set: Buffer): Buffer[] {
  const files: Buffer[] = []
  for (let at = 0; at < set.length; ) {
    if (set[at++] !== FILE_TAG)
      throw new EncodingError('TRUNCATED', 'not a FileDescriptorSet', { at: `${at - 1}` })
    let length = 0
    // A length of at most 2^28: four bytes of seven bits (protobuf's base-128 varint).
    for (let shift = 0; ; shift += 7) {
      const byte = set[at++]
      if (byte === undefined || shift > 21)
        throw new EncodingError('TRUNCATED', 'a file has no length', { at: `${at}` })
      length |= (byte & 0x7f) << shift
      if (byte < 0x80) break
    }
    if (length > set.length - at) throw new EncodingError('TRUNCATED', 'a file is cut short', { at: `${at}` })
    files.push(set.subarray(at, at + length))
    at += length
  }
  return files
}
