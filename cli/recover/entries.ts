import { readFileSync } from 'node:fs'
import {
  encodeCarried,
  type Fault,
  type Inspection,
  type Lineage,
  type LineageEvent,
} from '../../lineage/index.ts'
import type { Body, CarriedOver } from './carry-over.ts'

/** Most of a published checkpoint that the first entry carries itself; of a longer file there is the digest alone. */
const MAX_NOTE = 16 << 10

/** The entries that the next epoch begins with, its commitment to the old log first; stores what they name. */
export async function entriesOf(
  log: Pick<Lineage, 'putBlob'>,
  {
    found,
    carried,
    files,
    why,
  }: {
    readonly found: Pick<Inspection, 'note' | 'beginning' | 'origin' | 'epoch'>
    readonly carried: CarriedOver
    readonly files: Buffer
    readonly why: Fault
  },
): Promise<LineageEvent[]> {
  const { note, beginning, origin, epoch } = found
  for (const blob of carried.blobs) await log.putBlob(blob)
  const first: Body = {
    type: 'epoch',
    epoch: epoch + 1,
    previous: {
      origin,
      checkpoint: note === null || note.length > MAX_NOTE ? null : note.toString('base64'),
      salvaged: { size: beginning.size, root: beginning.root.toString('hex') },
      files: await log.putBlob(files),
    },
    carried: await log.putBlob(encodeCarried(carried.facts)),
    attest: carried.attest === null ? null : await log.putBlob(carried.attest),
    why: {
      code: why.code,
      message: why.message.slice(0, 512).toWellFormed(),
      at: why.at?.slice(0, 128).toWellFormed() ?? null,
    },
  }
  return [first, ...carried.entries].map(
    body => ({ ...body, v: 1, time: new Date().toISOString(), bootNs: bootNs() }) as LineageEvent,
  )
}

/** CLOCK_BOOTTIME in nanoseconds, to a hundredth of a second (proc_uptime(5)). */
function bootNs(): string {
  const [seconds = '0', hundredths = '0'] = readFileSync('/proc/uptime', 'utf8').split(/[ .]/)
  return String(BigInt(seconds) * 1_000_000_000n + BigInt(hundredths) * 10_000_000n)
}
