import { createHash, hash } from 'node:crypto'
import { LogReplays, replayImaLog } from '../attestation/index.ts'
import { imaEntry } from '../test/attestation/ima-log.ts'
import { compare, type Row, timed } from './measure.ts'

const ENTRIES = 100_000
const MORE = 16
const ROUNDS = 10

const titles = {
  bare: `IMA replay of ${ENTRIES} entries, beside two SHA-256 per entry`,
  naive: `IMA replay of ${ENTRIES} entries, beside naive Node`,
  incremental: `IMA replay of ${MORE} entries more, beside the whole log`,
} as const

/** Replay of a long log. 400,000 entries a second, where naive Node has 86,000, is the goal beside naive Node. */
export const imaReplayRows = [
  { row: titles.bare, goal: 1.5, measure: bare },
  { row: titles.naive, goal: 86 / 400, measure: naive },
  { row: titles.incremental, goal: 0.05, measure: incremental },
]

/** Beside what no replay can do without: two SHA-256 per entry over as many bytes. */
async function bare(): Promise<Row> {
  const log = makeLog(0, ENTRIES)
  const template = log.subarray(0, Math.floor(log.length / ENTRIES))
  const extend = Buffer.alloc(64)
  const twice = () => {
    for (let i = 0; i < ENTRIES; i++) {
      hash('sha256', template, 'latin1')
      hash('sha256', extend, 'latin1')
    }
  }
  const part = { name: 'two SHA-256 per entry', time: timed(twice) }
  return withRate(
    await compare(
      titles.bare,
      1.5,
      timed(() => replayImaLog(log)),
      [part],
      ROUNDS,
    ),
  )
}

async function naive(): Promise<Row> {
  const log = makeLog(0, ENTRIES)
  const part = { name: 'naive Node', time: timed(() => naiveReplay(log)) }
  return withRate(
    await compare(
      titles.naive,
      86 / 400,
      timed(() => replayImaLog(log)),
      [part],
      ROUNDS,
    ),
  )
}

/** What an evidence cycle pays for a log that has grown a little. */
async function incremental(): Promise<Row> {
  const replays = new LogReplays()
  let log = makeLog(0, ENTRIES)
  replays.imaLog(log, 'native')
  let grown = ENTRIES
  const more = async () => {
    log = Buffer.concat([log, makeLog(grown, MORE)])
    grown += MORE
    return timed(() => replays.imaLog(log, 'native'))()
  }
  const part = { name: 'the whole log', time: timed(() => replayImaLog(log)) }
  return compare(titles.incremental, 0.05, more, [part], ROUNDS)
}

/** Entries as IMA's `ima-ng` has them, no two alike. */
function makeLog(from: number, count: number): Buffer {
  const entries: Buffer[] = []
  for (let i = from; i < from + count; i++) entries.push(imaEntry({ path: `/usr/lib/x86_64/file-${i}` }))
  return Buffer.concat(entries)
}

/** As one would write it without a thought for speed: an object per hash, hexadecimal, a slice per field. */
function naiveReplay(log: Buffer): string {
  let pcr = Buffer.alloc(32)
  for (let at = 0; at < log.length; ) {
    const column = log.subarray(at + 4, at + 24).toString('hex')
    const nameBytes = log.readUInt32LE(at + 24)
    const dataBytes = log.readUInt32LE(at + 28 + nameBytes)
    const data = log.subarray(at + 32 + nameBytes, at + 32 + nameBytes + dataBytes)
    at += 32 + nameBytes + dataBytes
    if (createHash('sha1').update(data).digest('hex') !== column) throw new Error('the column is wrong')
    const digest = createHash('sha256').update(data).digest()
    pcr = createHash('sha256')
      .update(Buffer.concat([pcr, digest]))
      .digest()
  }
  return pcr.toString('hex')
}

function withRate(row: Row): Row {
  const rate = row.median === null ? Number.NaN : ENTRIES / row.median
  return { ...row, reference: `${row.reference}; ours ${rate.toFixed(0)} k entries/s` }
}
