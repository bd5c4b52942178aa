import type { Governed } from './governed.ts'
import { compare, type Row } from './measure.ts'
import { type Direction, PROGRAMS, StreamCaller, type Way } from './stream-caller.ts'

/** One direction of a workload's streams, beside one other way of the same bytes. */
export interface StreamBench {
  readonly row: string
  /** At 200 MB/s a third of a second; a pipe to a Node process gives some 400 MB/s on the machine that the goals were set on. */
  readonly goal: number
  readonly direction: Direction
  readonly way: Exclude<Way, 'execute'>
  readonly reference: string
}

const BARE = 'the same over grpc-js and nothing else'

export const STREAMS: readonly StreamBench[] = [
  {
    row: 'output of 64 MB through Execute',
    goal: 2,
    direction: 'output',
    way: 'pipe',
    reference: 'a pipe through cat',
  },
  {
    row: 'output of 64 MB through Execute, beside grpc-js alone',
    goal: 1.2,
    direction: 'output',
    way: 'bare',
    reference: BARE,
  },
  {
    row: 'input of 64 MB through Execute, beside grpc-js alone',
    goal: 1.2,
    direction: 'input',
    way: 'bare',
    reference: BARE,
  },
]

/** Until all of it is here, or until the workload has said how much it has read. */
export async function streams(governed: Governed, directory: string, bench: StreamBench): Promise<Row> {
  const { row, goal, direction, way, reference } = bench
  const artifact = await governed.artifact(`streams-${direction}-${way}`, PROGRAMS[direction])
  const caller = await StreamCaller.start(governed.host.socket, `${directory}/bare-${direction}-${way}.sock`)
  const turn = (taken: Way) => () => caller.turn(taken, direction, artifact)
  try {
    return await compare(row, goal, turn('execute'), [{ name: reference, time: turn(way) }], 20)
  } finally {
    await caller.close()
  }
}
