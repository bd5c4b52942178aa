import { hash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { replayImaLog } from '../attestation/index.ts'
import { compare, type Row, timed } from './measure.ts'

export const imaReplayTitle = 'IMA replay'

const RECORDED = new URL('../test/fixtures/hosts/debian13-uki/ima.bin', import.meta.url)

/** Replaying a whole IMA log beside two SHA-256 per entry over as many bytes, which is what no replay can do without. */
export function imaReplay(): Promise<Row> {
  const log = readFileSync(RECORDED)
  const entries = replayImaLog(log).length
  const template = log.subarray(0, Math.floor(log.length / entries))
  const extend = Buffer.alloc(64)
  return compare(
    imaReplayTitle,
    1.5,
    timed(() => replayImaLog(log)),
    [
      {
        name: 'two SHA-256 per entry',
        time: timed(() => {
          for (let i = 0; i < entries; i++) {
            hash('sha256', template, 'buffer')
            hash('sha256', extend, 'buffer')
          }
        }),
      },
    ],
    500,
  )
}
