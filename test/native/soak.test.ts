import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { descriptors } from '../support/processes.ts'
import { isRoot, TestHost, until, type Writd } from './host.ts'

const LAUNCHES = 1000

describe.skipIf(!isRoot)('many executions', () => {
  const host = new TestHost()
  let writd: Writd
  const residentKib = (pid: number) =>
    Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
  const mounts = () => readFileSync('/proc/self/mountinfo', 'utf8')

  beforeAll(async () => {
    await host.start()
    writd = await host.connect()
  })
  afterAll(async () => {
    writd?.client.close()
    await host.stop()
  })

  it(`leak nothing: ${LAUNCHES} one after another`, { timeout: 180_000 }, async () => {
    for (let i = 0; i < 20; i++) await writd.run(['/bin/true'])
    const before = {
      launcher: descriptors(host.pid),
      own: descriptors('self'),
      mounts: mounts(),
      kib: residentKib(host.pid),
    }
    for (let i = 0; i < LAUNCHES; i++) {
      const { end } = await writd.run(['/bin/true'])
      if (end.exitCode !== 0) expect(end).toBe(`exit code 0 of launch ${i}`)
    }
    expect(host.leaves()).toEqual([])
    // Before, one more may have been open to a process that makes namespaces.
    await until(() => descriptors(host.pid) <= before.launcher)
    await until(() => descriptors('self') <= before.own)
    expect(mounts()).toBe(before.mounts)
    expect(residentKib(host.pid)).toBeLessThan(before.kib + 512)
    expect(await writd.client.list()).toEqual([])
  })

  it('end at once: 100 running, one lapse', async () => {
    const running = []
    for (let i = 0; i < 100; i++) running.push(await writd.start(['/bin/sleep', '300']))
    writd.client.lapse(1n)
    const ends = await Promise.all(running.map(({ ended }) => ended))
    expect(new Set(ends.map(({ cause }) => cause))).toEqual(new Set(['LAPSE']))
    expect(host.leaves()).toEqual([])
  })

  it('beyond the configured number are refused, and have room again afterwards', async () => {
    const small = new TestHost({ max_executions: '2' })
    await small.start()
    const other = await small.connect()
    const first = await other.start(['/bin/sleep', '300'])
    await other.start(['/bin/sleep', '300'])
    await expect(other.start(['/bin/true'])).rejects.toMatchObject({ code: 'CAPACITY' })
    other.client.kill(first.executionId, 'TERMINATED')
    await first.ended
    expect((await other.run(['/bin/true'])).end.exitCode).toBe(0)
    other.client.close()
    await small.stop()
  })
})
