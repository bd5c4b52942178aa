import type { ExecuteStreams } from '../../../daemon/core.ts'
import { streams } from './world.ts'

/** Streams of a caller that only counts what it gets. */
export interface Counted {
  stdout: number
  stderr: number
  readonly streams: ExecuteStreams & { out: Buffer[] }
}

export function counted(): Counted {
  const it: Counted = {
    stdout: 0,
    stderr: 0,
    streams: streams({
      output: async (stream, bytes) => {
        it[stream] += bytes.length
      },
    }),
  }
  return it
}
