import { readFileSync } from 'node:fs'
import { afterEach, describe, expect, test } from 'vitest'
import { isRoot, TestHost } from './host.ts'

/** CAP_KILL, the fifth (linux/capability.h), as /proc shows a set of it alone. */
const KILL = '0000000000000020'
const NOTHING = '0'.repeat(16)

describe.skipIf(!isRoot)('a supervisor (needs root)', () => {
  let host: TestHost
  afterEach(() => host.stop())

  /** The capabilities of the supervisor of one execution, of a launcher that was started by a wrapper. */
  async function capabilities(wrapper: readonly string[]): Promise<Record<string, string>> {
    host = new TestHost({}, wrapper)
    await host.start()
    const writd = await host.connect()
    const { pid, executionId, ended } = await writd.start(['/bin/sleep', '60'])
    const field = (of: number, name: string) =>
      new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(readFileSync(`/proc/${of}/status`, 'utf8'))?.[1] ?? ''
    const supervisor = Number(field(pid, 'PPid'))
    expect(field(supervisor, 'Name')).toBe('writ-supervisor')
    const sets = Object.fromEntries(['CapPrm', 'CapEff'].map(name => [name, field(supervisor, name)]))
    writd.client.kill(executionId, 'TERMINATED')
    await ended
    writd.client.close()
    return sets
  }

  test('keeps one right, to kill', async () => {
    expect(await capabilities([])).toEqual({ CapPrm: KILL, CapEff: KILL })
  })

  test('keeps none where the launcher does not have that one', async () => {
    expect(await capabilities(['setpriv', '--bounding-set=-kill'])).toEqual({
      CapPrm: NOTHING,
      CapEff: NOTHING,
    })
  })
})
