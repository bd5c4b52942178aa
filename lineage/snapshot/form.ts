import { type JsonObject, parseJson } from '../../encoding/json.ts'
import { LineageError } from '../error.ts'
import { boolean, type Codec, list, matching, nullable, object, text } from '../events/codec.ts'
import { bootId, count, executionId, index, uid } from '../events/fields.ts'
import type { ClockState, FoldedClock, MakeClock } from './clock.ts'
import { Tally, type TallyState } from './tally.ts'
import { USE_ROW_BYTES } from './use-rows.ts'

const MAGIC = Buffer.from('writ/snapshot/v1\n')
const DIGEST_BYTES = 32
const NOTHING = Buffer.alloc(0)
/** Rows that are read without anybody else having a turn. */
const ROWS_AT_ONCE = 2048
/** Entries that may count, and executions that may be going on. Beyond, there is no snapshot, and a start reads more of the log. */
const MAX_KEPT = 1 << 16
const MAX_ONGOING = 1 << 13
const MAX_ANCESTORS = 256
const MAX_HEAD_BYTES = 8 << 20

/** A finite number in its one JSON form. */
const real: Codec<number> = {
  schema: { type: 'number' },
  write(value) {
    if (typeof value !== 'number' || !Number.isFinite(value) || Object.is(value, -0))
      throw new LineageError('EVENT_INVALID', 'not a number')
    return JSON.stringify(value)
  },
}

const quoted = object({
  wallMs: real,
  bootMs: real,
  suspendedMs: real,
  clock: matching(/^(?:0|[1-9][0-9]{0,19})$/, 'a decimal number'),
  resetCount: count,
  restartCount: count,
  slackMs: real,
})
const steps = list(object({ index, ends: boolean }), MAX_KEPT)
const place = nullable(index)

/** All but the tables, as canonical JSON. */
const head = object({
  size: index,
  clock: object({
    bootId: nullable(bootId),
    offsetMs: nullable(real),
    offsetAtMs: real,
    floorMs: real,
    first: nullable(quoted),
    last: nullable(quoted),
    fault: nullable(text(4096)),
  }),
  kept: object({
    newest: object({
      'daemon-start': place,
      'trust-roots': place,
      policy: place,
      'host-labels': place,
      'secret-policy': place,
      attest: place,
      quoted: place,
    }),
    each: list(index, MAX_KEPT),
    failure: steps,
    tail: steps,
    clock: steps,
  }),
  executions: list(
    object({
      ...{ executionId, decision: index, start: place, handOver: place },
      ...{ uid, ancestors: list(executionId, MAX_ANCESTORS) },
    }),
    MAX_ONGOING,
  ),
  horizonMs: nullable(count),
  lostBeforeMs: nullable(count),
  snapshot: place,
  quoted: nullable(quoted),
  uses: count,
  governed: count,
})

/**
 * A tally as the bytes of a snapshot, piece by piece, so that whoever writes it can do something else in between: the magic line; the length of the head in
 * four bytes, big-endian; the head; the rows of uses and then those of governed digests, each ordered by their key. Nothing may be added in between.
 *
 * @throws LineageError `SNAPSHOT_TOO_LARGE` when more counts than a snapshot takes
 */
export function* snapshotPieces(tally: Tally): Generator<Buffer> {
  const { uses, governed } = tally
  for (const _ of tally.letGo()) yield NOTHING
  const bytes = headOf(tally)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  yield Buffer.concat([MAGIC, length, bytes])
  for (const table of [uses.table, governed.table])
    for (let part = 0; part < table.parts; part++) yield table.rows(part)
}

/** @throws LineageError `SNAPSHOT_TOO_LARGE` */
function headOf({ size, clock, kept, executions, uses, governed, ...rest }: Tally): Buffer {
  const { horizonMs, lostBeforeMs, snapshot, quoted } = rest
  const state: TallyState = {
    ...{ size, horizonMs, lostBeforeMs, snapshot, quoted },
    ...{ clock: clock.state, kept: kept.state, executions: executions.state },
  }
  try {
    const bytes = Buffer.from(head.write({ ...state, uses: uses.table.size, governed: governed.size }))
    if (bytes.length > MAX_HEAD_BYTES) throw new Error(`${bytes.length} bytes of head`)
    return bytes
  } catch (cause) {
    throw new LineageError('SNAPSHOT_TOO_LARGE', `more counts than a snapshot takes: ${String(cause)}`, {
      cause,
    })
  }
}

/** Reads a snapshot, see {@link readSnapshotInSteps}. @throws LineageError `SNAPSHOT_MALFORMED` */
export function readSnapshot<C extends FoldedClock>(bytes: Buffer, makeClock: MakeClock<C>): Tally<C> {
  const steps = readSnapshotInSteps(bytes, makeClock)
  for (;;) {
    const { done, value } = steps.next()
    if (done) return value
  }
}

/**
 * Reads a snapshot in small steps. Only what {@link snapshotPieces} gives is taken, so that a tally has one encoding.
 *
 * @param bytes controlled by whoever wrote the blob
 * @throws LineageError `SNAPSHOT_MALFORMED`
 */
export function* readSnapshotInSteps<C extends FoldedClock>(
  bytes: Buffer,
  makeClock: MakeClock<C>,
): Generator<void, Tally<C>> {
  const start = MAGIC.length + 4
  if (bytes.length < start || !bytes.subarray(0, MAGIC.length).equals(MAGIC)) throw malformed('it is none')
  const length = bytes.readUInt32BE(MAGIC.length)
  if (length > MAX_HEAD_BYTES || start + length > bytes.length) throw malformed('its head is cut')
  const state = readHead(bytes.subarray(start, start + length))
  const uses = bytes.subarray(start + length, start + length + state.uses * USE_ROW_BYTES)
  const governed = bytes.subarray(start + length + uses.length)
  if (uses.length !== state.uses * USE_ROW_BYTES || governed.length !== state.governed * DIGEST_BYTES)
    throw malformed('its tables have another length than its head says')
  const tally = new Tally(makeClock, state)
  let rows = 0
  for (const row of rowsOf(uses, USE_ROW_BYTES)) {
    tally.uses.add(row)
    if (++rows % ROWS_AT_ONCE === 0) yield
  }
  for (const row of rowsOf(governed, DIGEST_BYTES)) {
    tally.governed.table.set(row, NOTHING)
    if (++rows % ROWS_AT_ONCE === 0) yield
  }
  // A tally has its executions in one order, each once.
  if (!headOf(tally).equals(bytes.subarray(start, start + length)))
    throw malformed('its head is not in the order of a tally')
  return tally
}

function readHead(bytes: Buffer): TallyState & { uses: number; governed: number; clock: ClockState } {
  try {
    const value = parseJson(bytes, { maxBytes: MAX_HEAD_BYTES, maxDepth: 6 })
    if (!Buffer.from(head.write(value)).equals(bytes)) throw new Error('it is not in canonical form')
    return value as JsonObject as unknown as ReturnType<typeof readHead>
  } catch (cause) {
    throw malformed(`its head cannot be read: ${String(cause)}`, cause)
  }
}

/** Rows that are ordered by their key, each key once. */
function* rowsOf(bytes: Buffer, width: number): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += width) {
    const row = bytes.subarray(at, at + width)
    const isOrdered =
      at === 0 || bytes.compare(row, 0, DIGEST_BYTES, at - width, at - width + DIGEST_BYTES) < 0
    if (!isOrdered) throw malformed('its rows are not in order')
    yield row
  }
}

function malformed(why: string, cause?: unknown): LineageError {
  return new LineageError('SNAPSHOT_MALFORMED', `the snapshot does not parse: ${why}`, { cause })
}
