import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Governed } from './governed.ts'
import { compare, type Row, timed } from './measure.ts'

export const streamsTitle = 'output of 64 MB through Execute'
/** At 200 MB/s a third of a second; a pipe to a Node process gives some 400 MB/s on the machine that the goals were set on. */
export const streamsGoal = 2
const BYTES = 64 * 1024 * 1024
const ARGV = ['/usr/bin/head', '-c', String(BYTES), '/dev/zero']

/** What a workload writes, until this process has all of it, beside the same program whose output comes through cat(1) and one pipe. */
export async function streams(governed: Governed): Promise<Row> {
  const artifact = await governed.artifact('streams', ARGV)
  const workload = { program: '/usr/bin/head', argv: ARGV }
  const ours = async () => {
    const call = governed.client.executeCall({ artifact, workload })
    call.endStdin()
    let got = 0
    for await (const answer of call.answers) got += answer.stdout?.length ?? 0
    check(got)
  }
  const pipe = async () => {
    const child = spawn('/bin/sh', ['-c', `${ARGV.join(' ')} | cat`], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let got = 0
    child.stdout.on('data', piece => (got += piece.length))
    await once(child, 'close')
    check(got)
  }
  return compare(
    streamsTitle,
    streamsGoal,
    timed(ours),
    [{ name: 'a pipe through cat', time: timed(pipe) }],
    20,
  )
}

function check(got: number): void {
  if (got !== BYTES) throw new Error(`${got} bytes came of ${BYTES}`)
}
