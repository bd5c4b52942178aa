import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type BenchLog, LOG_ENTRIES } from './lineage-log.ts'
import { format, makeRow, median, type Row } from './measure.ts'

const run = promisify(execFile)

const TURNS = 7
/** Milliseconds until the daemon knows all that its log says. */
const MOST_MS = 1000
/** Megabytes of 1000 kB that it may have more than with an empty log. */
const MOST_MB = 64
/** As `writ` and its unit start the daemon. */
const FLAGS = ['--max-semi-space-size=1']

const size = LOG_ENTRIES >= 1e6 ? `${LOG_ENTRIES / 1e6} M` : String(LOG_ENTRIES)
export const lineageStartTitle = `start on a log of ${size} entries`
export const lineageMemoryTitle = `memory of a start on ${size} entries, in MB`

interface Opened {
  readonly ms: number
  /** kB, when all is read and at the most. */
  readonly rss: number
  readonly peak: number
}

/** Opened once for both rows. */
let opened: Promise<{ ours: Opened[]; empty: Opened[] }> | undefined

/** Opens the log and folds it, in a new process each time, in turns with an empty one. */
function openBoth(log: BenchLog, place: string): Promise<{ ours: Opened[]; empty: Opened[] }> {
  opened ??= (async () => {
    const ours: Opened[] = []
    const empty: Opened[] = []
    const bare = join(place, 'empty-lineage')
    // The first of each makes files, or reads them from the disk.
    for (let turn = -1; turn < TURNS; turn++) {
      const both = [await open(log.directory), await open(bare)] as const
      if (turn < 0) continue
      ours.push(both[0])
      empty.push(both[1])
    }
    return { ours, empty }
  })()
  return opened
}

async function open(directory: string): Promise<Opened> {
  const { stdout } = await run(process.execPath, [
    ...FLAGS,
    join(import.meta.dirname, 'lineage-opening.ts'),
    directory,
  ])
  return JSON.parse(stdout) as Opened
}

/** From the opening of the log to a folded history. */
export async function lineageStart(log: BenchLog, place: string): Promise<Row> {
  const { ours, empty } = await openBoth(log, place)
  const times = ours.map(({ ms }) => ms)
  const bare = format(median(empty.map(({ ms }) => ms)))
  return makeRow(
    lineageStartTitle,
    1,
    times,
    median(times) / MOST_MS,
    `the limit of ${MOST_MS} ms; an empty log ${bare} ms`,
  )
}

/** What is resident more than with an empty log, at the moment when it is most. */
export async function lineageMemory(log: BenchLog, place: string): Promise<Row> {
  const { ours, empty } = await openBoth(log, place)
  const base = median(empty.map(({ peak }) => peak))
  const growths = ours.map(({ peak }) => (peak - base) / 1000)
  const after = (median(ours.map(({ rss }) => rss)) - median(empty.map(({ rss }) => rss))) / 1000
  const reference = `the limit of ${MOST_MB} MB more than with an empty log (${format(base / 1000)} MB); ${format(after)} MB more once it is read`
  return makeRow(lineageMemoryTitle, 1, growths, median(growths) / MOST_MB, reference)
}
