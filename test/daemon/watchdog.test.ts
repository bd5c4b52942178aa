import { describe, expect, test } from 'vitest'
import { Watchdog, watchdogIntervalMs } from '../../daemon/watchdog.ts'

describe('when the service manager watches', () => {
  const ours = String(process.pid)
  test.each([
    [{}, null],
    [{ WATCHDOG_USEC: '30000000' }, 10_000],
    [{ WATCHDOG_USEC: '30000000', WATCHDOG_PID: ours }, 10_000],
    [{ WATCHDOG_USEC: '30000000', WATCHDOG_PID: '1' }, null],
    [{ WATCHDOG_USEC: '1' }, 1],
    [{ WATCHDOG_USEC: '0' }, null],
    [{ WATCHDOG_USEC: '-1' }, null],
    [{ WATCHDOG_USEC: 'x' }, null],
    [{ WATCHDOG_USEC: '99999999999999999999' }, null],
  ])('%j', (env, interval) => expect(watchdogIntervalMs(env)).toBe(interval))
})

describe('the watchdog is told', () => {
  function world() {
    const at = { ms: 0 }
    const told: string[] = []
    const changes: (string | null)[] = []
    const attestor = { progressMs: 0 }
    const watchdog = new Watchdog(
      state => told.push(state),
      () => at.ms,
    )
    watchdog.onChange = why => changes.push(why)
    const look = (ms: number) => {
      at.ms = ms
      told.length = 0
      watchdog.look()
      return told.length > 0
    }
    return { look, changes, attestor, watchdog }
  }

  test('while the daemon starts or waits, for as long as that takes', () => {
    const { look } = world()
    expect(look(10_000_000)).toBe(true)
  })

  test('while the attestation gets on, and not beyond three cycles and the patience with the TPM', () => {
    const { look, watchdog, attestor, changes } = world()
    watchdog.follow(attestor, () => 10_000)
    expect(look(49_000)).toBe(true)
    expect(look(51_000)).toBe(false)
    expect(look(52_000)).toBe(false)
    expect(changes).toEqual([expect.stringMatching(/for 51 s/)])
    attestor.progressMs = 52_000
    expect(look(53_000)).toBe(true)
    expect(changes.at(-1)).toBeNull()
  })

  test('by the cycle that is in force now', () => {
    const { look, watchdog, attestor } = world()
    let cycleMs = 1000
    watchdog.follow(attestor, () => cycleMs)
    expect(look(25_000)).toBe(false)
    cycleMs = 60_000
    expect(look(25_000)).toBe(true)
  })
})
