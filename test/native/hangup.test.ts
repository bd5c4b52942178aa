import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isRoot, sleep, TestHost, until, type Writd } from './host.ts'

describe.skipIf(!isRoot)('SIGHUP (needs root: the launcher makes namespaces and cgroups)', () => {
  const host = new TestHost()
  let writd: Writd
  beforeAll(async () => {
    await host.start()
    writd = await host.connect()
  })
  afterAll(() => host.stop())

  it('ends neither the launcher nor what runs, and is said in the log', async () => {
    const { pid } = host
    const running = await writd.start(['/bin/sleep', '60'])
    process.kill(pid, 'SIGHUP')
    await until(() => host.log.includes('SIGHUP changes nothing'))
    await sleep(100)
    expect(() => process.kill(pid, 0)).not.toThrow()
    expect(host.processes(running.executionId)).not.toEqual([])
    expect((await writd.sh('echo still here')).stdout).toBe('still here\n')
    writd.client.kill(running.executionId, 'TERMINATED')
    await running.ended
  })

  it('is not held back from what runs: a workload has the signal as every program has it', async () => {
    const { stdout } = await writd.sh('grep -E "^Sig(Blk|Ign)" /proc/self/status')
    expect(stdout).toMatch(/^SigBlk:\t0+\nSigIgn:\t0+\n$/)
  })
})
