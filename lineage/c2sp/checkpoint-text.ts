import { base64ToBytes, utf8ToString } from '../../encoding/text.ts'
import { LineageError } from '../error.ts'
import { HASH_SIZE } from '../tree/merkle.ts'

/** A tree of some size, as a log states it. */
export interface TreeHead {
  readonly size: number
  readonly root: Buffer
}

/** What a checkpoint's text says (C2SP tlog-checkpoint, "Note text"). */
export interface CheckpointText extends TreeHead {
  readonly origin: string
  /** Lines that other logs add; this one writes none. */
  readonly extensions: readonly string[]
}

/** The text of a checkpoint of this log. */
export function formatCheckpointText({ origin, size, root }: TreeHead & { origin: string }): Buffer {
  return Buffer.from(`${origin}\n${size}\n${root.toString('base64')}\n`, 'utf8')
}

/**
 * Reads a note's text as a checkpoint.
 *
 * @param text controlled by whoever wrote the note
 * @throws LineageError `CHECKPOINT_MALFORMED`
 */
export function parseCheckpointText(text: Buffer): CheckpointText {
  const fail = (what: string, cause?: unknown) =>
    new LineageError('CHECKPOINT_MALFORMED', `checkpoint: ${what}`, { cause })
  let lines: string[]
  let root: Buffer
  try {
    lines = utf8ToString(text, 'checkpoint').split('\n')
    root = base64ToBytes(lines[2] ?? '', 'root')
  } catch (cause) {
    throw fail('the text cannot be read', cause)
  }
  const [origin = '', size = '', , ...rest] = lines
  if (rest.pop() !== '' || origin === '' || rest.includes(''))
    throw fail('an empty line, or no final newline')
  if (!/^(?:0|[1-9][0-9]*)$/.test(size) || !Number.isSafeInteger(Number(size)))
    throw fail('the size is not a number')
  if (root.length !== HASH_SIZE) throw fail(`a root of ${root.length} bytes`)
  return { origin, size: Number(size), root, extensions: rest }
}
