import { fdatasync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { encodeEvent, Lineage, type LineageEvent } from '../lineage/index.ts'
import { compare, type Row, timed } from './measure.ts'

const BATCH = 64
/** 60,000 records a second where a bare write and fdatasync has 85,000. */
const GOAL = 85 / 60
const sync = promisify(fdatasync)

export const lineageAppendTitle = `lineage append, fsynced batches of ${BATCH}`

/** A batch of 64 durable entries beside one write and one fdatasync of the same bytes. */
export async function lineageAppend(directory: string): Promise<Row> {
  const lineage = await Lineage.open(join(directory, 'lineage'), { origin: 'bench', create: true })
  const event: LineageEvent = {
    v: 1,
    type: 'kill-sent',
    time: '2026-01-01T00:00:00.000Z',
    bootNs: '1',
    executionId: '0'.repeat(32),
    cause: 'TERMINATED',
  }
  const bytes = Buffer.concat(Array.from({ length: BATCH }, () => encodeEvent(event)))
  const bare = openSync(join(directory, 'bare'), 'a')
  try {
    const row = await compare(
      lineageAppendTitle,
      GOAL,
      timed(() => Promise.all(Array.from({ length: BATCH }, () => lineage.append(event)))),
      [
        {
          name: 'write and fdatasync of the same bytes',
          time: timed(() => {
            writeSync(bare, bytes)
            return sync(bare)
          }),
        },
      ],
      500,
    )
    const rate = BATCH / (row.median ?? Number.NaN)
    return { ...row, reference: `${row.reference}; ours ${rate.toFixed(0)} k records/s` }
  } finally {
    await lineage.close()
  }
}
