import { closeSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { bootTimeNs } from '../daemon/native.ts'
import { isRoot, type Running, SECOND, TestHost, until, type Writd } from '../test/native/host.ts'
import { CannotRun, makeRow, median, type Row } from './measure.ts'

const EXECUTIONS = 10
const PROCESSES = 1000
const ROUNDS = 10
const GOAL_MS = 20
/** The shell is one of them; the init of each execution comes on top. */
const EACH = PROCESSES / EXECUTIONS
const SCRIPT = `i=1; while [ $i -lt ${EACH} ]; do sleep 600 & i=$((i+1)); done; wait`
const sleep = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))

export const freezeTitle = `lapse to ${PROCESSES} processes of ${EXECUTIONS} executions frozen`

/** From the order of a lapse, to the launcher alone, until `cgroup.events` says of each execution's cgroup that all in it are frozen. */
export async function freeze(): Promise<Row> {
  if (!isRoot) throw new CannotRun('needs root: the launcher makes namespaces and cgroups')
  const host = new TestHost()
  try {
    await host.start()
    const writd = await host.connect()
    const times: number[] = []
    for (let i = 0; i < ROUNDS; i++) times.push(await freezeOnce(host, writd))
    writd.client.close()
    return makeRow(freezeTitle, 1, times, median(times) / GOAL_MS, `the limit of ${GOAL_MS} ms`)
  } finally {
    await host.stop()
  }
}

async function freezeOnce(host: TestHost, writd: Writd): Promise<number> {
  const { epoch } = writd.page.read()
  writd.page.renew(epoch, bootTimeNs())
  const running: Running[] = []
  for (let i = 0; i < EXECUTIONS; i++) {
    running.push(await writd.start(['/bin/sh', '-c', SCRIPT], { graceNs: 60n * SECOND }))
  }
  const events = running.map(({ executionId }) =>
    openSync(join(host.cgroup, 'executions', executionId, 'cgroup.events'), 'r'),
  )
  try {
    await until(() => running.every(({ executionId }) => host.processes(executionId).length > EACH), 30_000)
    await sleep(100)
    const start = performance.now()
    writd.client.lapse(epoch, true)
    const moving = new Set(events)
    while (moving.size > 0) for (const file of moving) if (isFrozen(file)) moving.delete(file)
    const took = performance.now() - start
    if (writd.page.read().epoch !== epoch) throw new Error('another epoch began')
    for (const { executionId } of running) writd.client.kill(executionId, 'TERMINATED')
    await Promise.all(running.map(({ ended }) => ended))
    return took
  } finally {
    for (const file of events) closeSync(file)
  }
}

const text = Buffer.alloc(128)

function isFrozen(events: number): boolean {
  return text.toString('latin1', 0, readSync(events, text, 0, text.length, 0)).includes('frozen 1')
}
