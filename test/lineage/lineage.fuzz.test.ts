import fc from 'fast-check'
import { describe, it } from 'vitest'
import { decodeBundle } from '../../lineage/c2sp/entry-bundle.ts'
import { formatNote, parseNote } from '../../lineage/c2sp/note.ts'
import { parseNoteKey } from '../../lineage/c2sp/note-key.ts'
import { parseTilePath, tilePath } from '../../lineage/c2sp/tile-path.ts'
import { decodeTpmSignature, parseCheckpoint, parseCheckpointText } from '../../lineage/checkpoint.ts'
import { encodeEvent, LineageError, parseEvent } from '../../lineage/index.ts'
import { EMPTY_ROOT } from '../../lineage/tree/merkle.ts'
import {
  encodeBatch,
  encodeSegmentHeader,
  newSegmentHeader,
  readSegment,
} from '../../lineage/writer/segment.ts'
import { numbered } from './support/log.ts'

const bytes = fc.uint8Array({ maxLength: 600 }).map(array => Buffer.from(array))

/** Runs a parser on bytes: it gives something, or throws its typed error and nothing else. */
function read<T>(parse: () => T): T | undefined {
  try {
    return parse()
  } catch (error) {
    if (error instanceof LineageError) return undefined
    throw error
  }
}

/** `base` with some bytes changed, cut or put in. */
function mutated(base: Buffer): fc.Arbitrary<Buffer> {
  const edit = fc.record({
    at: fc.nat(),
    remove: fc.nat({ max: 4 }),
    insert: fc.uint8Array({ maxLength: 4 }),
  })
  return fc.array(edit, { minLength: 1, maxLength: 4 }).map(edits =>
    edits.reduce((out, { at, remove, insert }) => {
      const from = at % (out.length + 1)
      return Buffer.concat([out.subarray(0, from), insert, out.subarray(from + remove)])
    }, base),
  )
}

const note = Buffer.from(
  `o\n5\n${Buffer.alloc(32).toString('base64')}\n\n\u2014 o AAAAAAAA\n\u2014 o AAAAAAAB\n`,
)

describe('fuzz', () => {
  it('signed note: what is read is written back to the same bytes', () => {
    fc.assert(
      fc.property(fc.oneof(bytes, mutated(note)), input => {
        const parsed = read(() => parseNote(input))
        if (parsed !== undefined && !formatNote(parsed).equals(input))
          throw new Error('two spellings of one note')
        read(() => parseCheckpoint(input))
        if (parsed !== undefined) read(() => parseCheckpointText(parsed.text))
      }),
      { numRuns: 2000 },
    )
  })

  it('note key and tpm2-quote signature', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.string().map(tail => `o+00000000+${tail}`),
        ),
        bytes,
        (text, input) => {
          read(() => parseNoteKey(text))
          read(() => decodeTpmSignature(input))
        },
      ),
      { numRuns: 2000 },
    )
  })

  it('entry bundle: what is read adds up to the input', () => {
    fc.assert(
      fc.property(bytes, fc.nat({ max: 256 }), (input, count) => {
        const entries = read(() => decodeBundle(input, count))
        const total = entries?.reduce((sum, entry) => sum + 2 + entry.length, 0)
        if (total !== undefined && total !== input.length) throw new Error('bytes were skipped')
      }),
      { numRuns: 2000 },
    )
  })

  it('event: what is read is written back to the same bytes', () => {
    const base = encodeEvent(numbered(1))
    fc.assert(
      fc.property(
        fc.oneof(
          bytes,
          mutated(base),
          fc.json().map(text => Buffer.from(text)),
        ),
        input => {
          const event = read(() => parseEvent(input))
          if (event !== undefined && !encodeEvent(event).equals(input))
            throw new Error('two spellings of one event')
        },
      ),
      { numRuns: 3000 },
    )
  })

  it('tile path: what is read is written back to the same text', () => {
    const path = fc.stringMatching(
      /^tile\/(entries|[0-9]{1,2})\/(x?[0-9]{2,3}\/){0,6}[0-9]{3}(\.p\/[0-9]{1,3})?$/,
    )
    fc.assert(
      fc.property(fc.oneof(fc.string(), path), input => {
        const name = read(() => parseTilePath(input))
        if (name !== undefined && tilePath(name) !== input) throw new Error('two spellings of one path')
      }),
      { numRuns: 2000 },
    )
  })

  it('segment: a damaged one is refused or is a beginning of what was written', () => {
    const header = newSegmentHeader(512, EMPTY_ROOT)
    const batches = [0, 1, 2].map(n => [0, 1, 2].map(i => Buffer.from(`entry ${n * 3 + i}`)))
    const whole = Buffer.concat([
      encodeSegmentHeader(header),
      ...batches.map((entries, n) => encodeBatch(header, 512 + 3 * n, entries)),
      Buffer.alloc(64),
    ])
    const written = batches.flat()
    fc.assert(
      fc.property(
        fc.nat({ max: whole.length - 1 }),
        fc.integer({ min: 1, max: 255 }),
        fc.boolean(),
        (at, xor, cut) => {
          const damaged = Buffer.from(cut ? whole.subarray(0, at) : whole)
          if (!cut) damaged.writeUInt8(damaged.readUInt8(at) ^ xor, at)
          const segment = read(() => readSegment(damaged, 'segment'))
          for (const [i, entry] of (segment?.entries ?? []).entries()) {
            if (!written[i]?.equals(entry)) throw new Error(`entry ${i} is another`)
          }
          // Only the last batch, which may never have been acknowledged, can go missing unnoticed, unless the file was cut.
          if (segment !== undefined && !cut && segment.entries.length < 6)
            throw new Error('a lost batch went unnoticed')
        },
      ),
      { numRuns: 1000 },
    )
  })
})
