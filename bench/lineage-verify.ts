import { hash } from 'node:crypto'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { ClockWatch } from '../authorization/index.ts'
import { decodeBundle } from '../lineage/c2sp/entry-bundle.ts'
import { TILE_WIDTH, tilePath } from '../lineage/c2sp/tile-path.ts'
import { exportLog, LogFiles, SnapshotCheck, verifyLog } from '../lineage/index.ts'
import { BENCH_ORIGIN, type BenchLog, LOG_ENTRIES } from './lineage-log.ts'
import { compare, type Row, timed } from './measure.ts'

export const lineageVerifyTitle = `verify a lineage of ${LOG_ENTRIES / 1e6} M entries`

/** All of `writ lineage verify` for an exported log, beside the hashes that it cannot do without: a leaf and a node per entry. */
export async function lineageVerify(log: BenchLog, place: string): Promise<Row> {
  const exported = join(place, 'exported')
  await exportLog(log.directory, exported)
  const { size } = await LogFiles.open(exported)
  const verify = async () => {
    const snapshots = new SnapshotCheck(state => new ClockWatch(state))
    const trust = { ak: log.ak, origin: BENCH_ORIGIN }
    const { results } = await verifyLog(exported, trust, (event, index) => snapshots.take(event, index))
    const wrong = [...results, snapshots.result()].find(({ status }) => status === 'FAILED')
    if (wrong !== undefined) throw new Error(`${wrong.property}: ${wrong.detail}`)
  }
  const part = {
    name: 'SHA-256 of the same leaves and as many nodes',
    time: async () => bare(exported, size),
  }
  try {
    return await compare(lineageVerifyTitle, 1.5, timed(verify), [part], 1)
  } finally {
    rmSync(exported, { recursive: true, force: true })
  }
}

/** Milliseconds that the hashes alone take; reading the files is not among it. */
function bare(exported: string, size: number): number {
  const node = Buffer.alloc(65, 1)
  let ms = 0
  for (let index = 0; index * TILE_WIDTH < size; index++) {
    const width = Math.min(TILE_WIDTH, size - index * TILE_WIDTH)
    const bundle = readFileSync(join(exported, tilePath({ level: 'entries', index, width })))
    const leaves = decodeBundle(bundle, width).map(entry => Buffer.concat([Buffer.of(0), entry]))
    const start = performance.now()
    for (const leaf of leaves) {
      hash('sha256', leaf, 'latin1')
      hash('sha256', node, 'latin1')
    }
    ms += performance.now() - start
  }
  return ms
}
