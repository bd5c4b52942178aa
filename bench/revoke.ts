import { readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { signRevocation } from '../authorization/index.ts'
import { api, type ExecuteCall } from '../proto/client.ts'
import { type PrivateKey, readPrivateKey } from '../signing/key.ts'
import { cgroupOf, withCgroup } from './cgroups.ts'
import type { Governed } from './governed.ts'
import { compare, type Row } from './measure.ts'
import { Stopwatch } from './stopwatch.ts'

const PROCESSES = 1000
const ROUNDS = 8
/** The shell is one of them. */
const SCRIPT = `i=1; while [ $i -lt ${PROCESSES} ]; do sleep 600 & i=$((i+1)); done; wait`
const WORKLOAD = { program: '/bin/sh', argv: ['/bin/sh', '-c', SCRIPT] }
const sleep = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))

export const revokeTitle = `revoke to ${PROCESSES} processes confirmed dead`

/** From the call of Revoke to the answer of Execute that says that all are dead, beside one write to cgroup.kill. */
export async function revoke(governed: Governed, directory: string): Promise<Row> {
  const artifact = await governed.artifact('thousand', WORKLOAD.argv)
  const key = readPrivateKey(readFileSync(governed.host.path('operator.key'), 'utf8'))
  const ours = () => revokeOne(governed, artifact, key, governed.nextRevocationEpoch())
  return withCgroup(`${basename(governed.host.dir)}-reference`, async cgroup => {
    const bare = new Stopwatch('kill', [cgroup, `${PROCESSES}`, SCRIPT], directory)
    try {
      return await compare(revokeTitle, 1.3, ours, [bare.part('a bare cgroup.kill')], ROUNDS)
    } finally {
      await bare.close()
    }
  })
}

async function revokeOne(governed: Governed, artifact: Buffer, key: PrivateKey, epoch: number) {
  const call = governed.client.executeCall({ artifact, workload: WORKLOAD })
  const id = await running(governed, call)
  const envelope = signRevocation({ version: 1, epoch, revoke: [{ kind: 'execution', id }] }, key)
  const start = performance.now()
  const revoked = governed.client.call(api.governance.Revoke, { envelope })
  let dead = false
  for await (const { ended } of call.answers) dead ||= ended?.confirmedDead === true
  const took = performance.now() - start
  await revoked
  if (!dead) throw new Error('not confirmed dead')
  return took
}

/** Waits until all its processes are there, and have settled. Gives its id. */
async function running({ client }: Governed, call: ExecuteCall): Promise<string> {
  const { value } = await call.answers.next()
  const executionId = value?.started?.executionId ?? ''
  const { execution } = await client.call(api.execution.Get, { executionId })
  const processes = join(cgroupOf(execution?.pid ?? 0), 'cgroup.procs')
  // The init is one more.
  while (readFileSync(processes, 'utf8').trim().split('\n').length <= PROCESSES) await sleep(20)
  await sleep(100)
  return executionId
}
