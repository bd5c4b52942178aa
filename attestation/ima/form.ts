import type { HashAlgorithm } from '../tpm2/structures/index.ts'
import { AsciiImaLog } from './ascii-log.ts'
import { type ImaExtend, ImaReplay } from './replay.ts'

/** `binary_runtime_measurements`, or `ascii_runtime_measurements`. */
export type ImaLogForm = 'binary' | 'ascii'

/**
 * Tells the two forms of a log apart. In text there are two characters for the PCR and a space; the binary form has a 32-bit number, of
 * which two bytes next to each other are zero.
 *
 * @param start the first bytes of the log; four are enough
 */
export function imaLogForm(start: Uint8Array): ImaLogForm {
  const [first = 0, second = 0] = start
  const text = (byte: number): boolean => (byte >= 0x20 && byte < 0x7f) || byte === 0x0a || byte === 0x0d
  return text(first) && text(second) ? 'ascii' : 'binary'
}

/** The bytes of a log in binary form, whichever form it has. @throws ImaLogError for a text that is none */
export function binaryImaLog(bytes: Uint8Array, form: ImaLogForm = imaLogForm(bytes)): Uint8Array {
  if (form === 'binary') return bytes
  const log = new AsciiImaLog()
  return Buffer.concat([log.push(bytes), log.end()])
}

/** Replays a whole log of either form. @throws ImaLogError also when it is cut */
export function readImaLog(
  bytes: Uint8Array,
  options: { readonly form?: ImaLogForm; readonly bank?: HashAlgorithm; readonly extend?: ImaExtend } = {},
): ImaReplay {
  const { form = imaLogForm(bytes), ...how } = options
  const replay = new ImaReplay(how)
  replay.append(binaryImaLog(bytes, form))
  replay.finish()
  return replay
}
