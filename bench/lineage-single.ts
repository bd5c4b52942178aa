import { fdatasyncSync, fsyncSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { encodeEvent, Lineage } from '../lineage/index.ts'
import { BATCH_OVERHEAD } from '../lineage/writer/segment.ts'
import { numbered } from '../test/lineage/support/numbered.ts'
import { compare, type Row, timed } from './measure.ts'

const GOAL = 1.5
const TURNS = 2000

export const lineageSingleTitle = 'single durable append'

/** One entry by itself, beside a write of as many bytes into a file that has its blocks already, and fdatasync(2). */
export async function lineageSingle(directory: string): Promise<Row> {
  const lineage = await Lineage.open(join(directory, 'single'), { origin: 'bench', create: true })
  const bytes = Buffer.alloc(BATCH_OVERHEAD + 2 + encodeEvent(numbered(TURNS)).length, 1)
  const bare = openSync(join(directory, 'bare-single'), 'w')
  writeSync(bare, Buffer.alloc((TURNS * 2 + 1) * bytes.length))
  fsyncSync(bare)
  let [n, at] = [0, 0]
  const write = () => {
    writeSync(bare, bytes, 0, bytes.length, at)
    fdatasyncSync(bare)
    at += bytes.length
  }
  try {
    const reference = { name: 'write and fdatasync', time: timed(write) }
    const ours = timed(() => lineage.append(numbered(n++)))
    return await compare(lineageSingleTitle, GOAL, ours, [reference], TURNS)
  } finally {
    await lineage.close()
  }
}
