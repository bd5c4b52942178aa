import { existsSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { GovernedHost, NEEDS_ROOT } from './governed-host.ts'

describe.skipIf(NEEDS_ROOT !== null)('a start that is told to stop', () => {
  let host: GovernedHost
  beforeAll(async () => {
    host = await GovernedHost.start()
  }, 120_000)
  afterAll(() => host?.close())

  const starts = async () => {
    await host.startDaemon()
    const { doubtfulTail } = await host.status()
    return doubtfulTail ?? null
  }

  test('at any moment is no unclean stop for the next', async () => {
    expect(await host.stopDaemon()).toBe(0)
    // While the program is loaded: the signal itself may end it, nothing is open yet.
    for (const afterMs of [200, 1000]) {
      const started = host.startDaemon().catch(() => undefined)
      await delay(afterMs)
      await host.stopDaemon()
      await started
    }
    // From the opening of the log to the first calls.
    for (const afterMs of [0, 10, 30, 60, 120, 250, 500]) {
      const started = host.startDaemon().catch(() => undefined)
      while (existsSync(host.path('state/lineage/state/stop'))) await delay(1)
      await delay(afterMs)
      expect([afterMs, await host.stopDaemon()]).toEqual([afterMs, 0])
      await started
    }
    await host.startDaemon()
    expect(await host.stopDaemon()).toBe(0)
    expect(await starts()).toBeNull()
    const entries = await host.ok('lineage', 'tail', '--json')
    expect(entries).toMatch(/daemon-start/)
    expect(entries).not.toMatch(/recovery/)
  }, 120_000)
})
