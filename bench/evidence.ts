import { execFileSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  decodedEventJson,
  decodeEvent,
  type EventLog,
  encodeReport,
  parseEventLog,
  parseReport,
  replayAll,
  verifyReport,
} from '../attestation/index.ts'
import { ReportingHost } from '../test/attestation/made-up-report.ts'
import { bootAggregate, parts as usualParts } from '../test/attestation/synthetic-host.ts'
import { EV_IPL, event, specId } from '../test/attestation/tcg-log.ts'
import { CannotRun, compare, type Row, timed } from './measure.ts'

const LOG_BYTES = 50_000
const REPORT_LOG_BYTES = 40_000
const IMA_ENTRIES = 1000
const ROUNDS = 100
/** Most milliseconds: limits, since nothing else does the same. */
const REPLAYED_MS = 2
const DECODED_MS = 3
const REPORT_MS = 5
const EVENTLOG_TOOL = '/usr/bin/tpm2_eventlog'

const titles = {
  replayed: 'event log of 50 kB: parsed and replayed in two banks, beside the limit of 2 ms',
  log: 'event log of 50 kB: parsed, replayed in two banks, decoded and made JSON, beside the limit of 3 ms',
  tool: 'event log of 50 kB, beside tpm2_eventlog as a process',
  report:
    'full report (40 kB of events, 1,000 IMA entries, quote, EK chain of 3), warm, beside the limit of 5 ms',
} as const

/** What a verifier pays for evidence. */
export const evidenceRows = [
  { row: titles.replayed, goal: 1, measure: () => beside(titles.replayed, replayWhole, REPLAYED_MS) },
  { row: titles.log, goal: 1, measure: () => beside(titles.log, readWhole, DECODED_MS) },
  { row: titles.tool, goal: 0.5, measure: ({ directory }: { directory: string }) => besideTool(directory) },
  { row: titles.report, goal: 1, measure: () => report() },
]

/** Events of a boot loader, each with a text, as GRUB makes most of a log of. */
function bootEvents(bytes: number, banks: readonly ('sha1' | 'sha256')[]): Buffer[] {
  const events: Buffer[] = []
  for (let size = 0, i = 0; size < bytes; i++) {
    const text = Buffer.from(
      `grub_cmd: menuentry 'entry ${i}' --class gnu-linux --class os { load_video; insmod gzio }\0`,
    )
    const made = event(8, EV_IPL, text, { banks })
    events.push(made)
    size += made.length
  }
  return events
}

const wholeLog = (): Buffer =>
  Buffer.concat([specId(['sha1', 'sha256']), ...usualEvents(), ...bootEvents(LOG_BYTES, ['sha1', 'sha256'])])

/** An image's worth of events that are not texts. */
function usualEvents(): Buffer[] {
  return [0, 2, 4].map(pcr => event(pcr, EV_IPL, Buffer.alloc(64, pcr), { banks: ['sha1', 'sha256'] }))
}

/** What an appraisal needs of every log. */
function replayWhole(log: Buffer): EventLog {
  const parsed = parseEventLog(log)
  replayAll(parsed)
  return parsed
}

/** What showing a log takes. */
function readWhole(log: Buffer): void {
  for (const logged of replayWhole(log).events) decodedEventJson(decodeEvent(logged, 'sha256'))
}

function beside(title: string, read: (log: Buffer) => unknown, ms: number): Promise<Row> {
  const log = wholeLog()
  const limit = { name: 'the limit', time: async () => ms }
  return compare(
    title,
    1,
    timed(() => read(log)),
    [limit],
    ROUNDS,
  )
}

function besideTool(directory: string): Promise<Row> {
  if (!existsSync(EVENTLOG_TOOL)) throw new CannotRun('there is no tpm2_eventlog')
  const log = wholeLog()
  const path = join(directory, 'eventlog.bin')
  writeFileSync(path, log)
  const tool = timed(() => execFileSync(EVENTLOG_TOOL, [path], { stdio: ['ignore', 'pipe', 'ignore'] }))
  return compare(
    titles.tool,
    0.5,
    timed(() => readWhole(log)),
    [{ name: 'tpm2_eventlog', time: tool }],
    20,
  )
}

/** From the file's bytes to every property: quote, AK and EK certificates, logs, reference values. */
async function report(): Promise<Row> {
  const host = await ReportingHost.make()
  const usual = usualParts()
  const boot = bootEvents(REPORT_LOG_BYTES, ['sha256'])
  const events = [...usual.events, ...boot]
  const files = Array.from({ length: IMA_ENTRIES - 1 }, (_, i) => ({ path: `/usr/lib/file-${i}` }))
  const parts = { ...usual, events, ima: [bootAggregate(events), ...files] }
  const reference = host.host.reference(() => undefined, parts)
  const binding = { referenceValuesDigest: Buffer.from(reference.digest, 'hex') }
  const file = Buffer.from(encodeReport(host.report({ parts, binding })))
  const verify = () => verifyReport(parseReport(file), host.trust({ reference }))
  const failed = verify().properties.filter(({ status }) => status === 'FAILED')
  if (failed.length > 0)
    throw new CannotRun(failed.map(({ name, detail }) => `${name}: ${detail}`).join('; '))
  const limit = { name: 'the limit', time: async () => REPORT_MS }
  return compare(titles.report, 1, timed(verify), [limit], ROUNDS)
}
