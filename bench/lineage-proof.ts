import { join } from 'node:path'
import { Lineage } from '../lineage/index.ts'
import { numbered } from '../test/lineage/support/numbered.ts'
import { makeRow, type Row } from './measure.ts'

/** Three levels of tiles, of which most are on disk, as in a log of many millions. */
const ENTRIES = 2 ** 18
const APPENDED_AT_ONCE = 16_384
const PROOFS = 2000
/** Milliseconds that a proof may take. */
const MOST = 0.2
/** Makes the positions the same in each run: a multiplier that visits every entry before it repeats (Knuth, TAOCP 3.2.1.2). */
const STRIDE = 2_654_435_761

export const lineageProofTitle = `inclusion proof in ${ENTRIES / 2 ** 10} k entries`

/** Proofs of entries all over a log, one after another, as the daemon makes them. */
export async function lineageProof(directory: string): Promise<Row> {
  const lineage = await Lineage.open(join(directory, 'proofs'), { origin: 'bench', create: true })
  try {
    for (let at = 0; at < ENTRIES; at += APPENDED_AT_ONCE)
      await Promise.all(Array.from({ length: APPENDED_AT_ONCE }, (_, i) => lineage.append(numbered(at + i))))
    const times: number[] = []
    for (let n = -PROOFS / 10; n < PROOFS; n++) {
      const index = BigInt(Math.abs(n * STRIDE) % ENTRIES)
      const start = performance.now()
      await lineage.inclusionProof(index, lineage.size)
      if (n >= 0) times.push(performance.now() - start)
    }
    times.sort((a, b) => a - b)
    const median = times[times.length >> 1] ?? Number.NaN
    return makeRow(lineageProofTitle, 1, times, median / MOST, `${MOST} ms, the goal`)
  } finally {
    await lineage.close()
  }
}
