import { hash } from 'node:crypto'
import { fdatasyncSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { Lineage, type LineageEvent } from '../lineage/index.ts'
import { compare, type Row, timed } from './measure.ts'

const BATCH = 64
/** 60,000 records a second where a bare log has 85,000. */
const GOAL = 85 / 60

export const lineageAppendTitle = `lineage append, fsynced batches of ${BATCH}`

/** A batch of 64 durable entries beside the barest log: JSON, two SHA-256 for the tree, one write and one fdatasync. */
export async function lineageAppend(directory: string): Promise<Row> {
  const lineage = await Lineage.open(join(directory, 'lineage'), { origin: 'bench', create: true })
  const event: LineageEvent = {
    v: 1,
    type: 'kill-sent',
    time: '2026-01-01T00:00:00.000Z',
    bootNs: '1',
    executionId: '0'.repeat(32),
    decision: 0,
    cause: 'TERMINATED',
  }
  const bare = openSync(join(directory, 'bare'), 'a')
  try {
    const row = await compare(
      lineageAppendTitle,
      GOAL,
      timed(() => Promise.all(Array.from({ length: BATCH }, () => lineage.append(event)))),
      [{ name: 'a bare log', time: timed(() => bareBatch(bare, event)) }],
      500,
    )
    const rate = BATCH / (row.median ?? Number.NaN)
    return { ...row, reference: `${row.reference}; ours ${rate.toFixed(0)} k records/s` }
  } finally {
    await lineage.close()
  }
}

function bareBatch(fd: number, event: LineageEvent): void {
  const entries: Buffer[] = []
  let node = Buffer.alloc(65)
  for (let i = 0; i < BATCH; i++) {
    const entry = Buffer.from(JSON.stringify(event))
    node = Buffer.concat([node.subarray(0, 33), hash('sha256', entry, 'buffer')])
    hash('sha256', node, 'buffer')
    entries.push(entry)
  }
  writeSync(fd, Buffer.concat(entries))
  fdatasyncSync(fd)
}
