import { describe, expect, test } from 'vitest'
import { Progress, STEPS } from '../../daemon/progress.ts'
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
    const changes: (string | undefined)[] = []
    const progress = new Progress(() => at.ms)
    const watchdog = new Watchdog(state => told.push(state))
    watchdog.onChange = late => changes.push(late?.code)
    watchdog.follow(progress)
    const look = (ms: number) => {
      at.ms = ms
      told.length = 0
      watchdog.look()
      return told.length > 0
    }
    return { at, look, changes, progress }
  }

  test('for as long as nothing has to be over in time', () => {
    const { look, progress } = world()
    expect(look(10_000_000)).toBe(true)
    progress.begin(STEPS.tpm)
    progress.rest()
    expect(look(20_000_000)).toBe(true)
  })

  test('for as long as a turn may take, and not beyond that; it names the step', () => {
    const { look, progress, changes } = world()
    progress.begin(STEPS.tpm)
    expect(look(20_000)).toBe(true)
    progress.answered()
    progress.at(STEPS.logs)
    expect(look(25_000)).toBe(true)
    expect(look(25_001)).toBe(false)
    expect(look(26_000)).toBe(false)
    expect(changes).toEqual(['LOGS_TIMEOUT'])
    progress.end('over')
    expect(look(27_000)).toBe(true)
    expect(changes).toEqual(['LOGS_TIMEOUT', undefined])
  })

  test('until the next turn is due, however long that is, and not for long after', () => {
    const { look, progress, changes } = world()
    progress.begin(STEPS.tpm)
    progress.end('over')
    progress.expect(3_600_000)
    expect(look(3_625_000)).toBe(true)
    expect(look(3_625_001)).toBe(false)
    expect(changes).toEqual(['CYCLE_LATE'])
  })

  test('not by turns that end without an answer of the TPM, however short they are', () => {
    const { at, look, progress, changes } = world()
    const turn = (ms: number) => {
      at.ms = ms
      progress.begin(STEPS.files)
      progress.at(STEPS.tpm)
      progress.end('unanswered')
      progress.expect(1000)
    }
    for (let ms = 0; ms <= 25_000; ms += 1000) turn(ms)
    expect(look(25_000)).toBe(true)
    turn(25_001)
    expect(look(25_001)).toBe(false)
    expect(changes).toEqual(['TPM_TIMEOUT'])
  })

  test('by an answer of the TPM after some that it owed, and what hangs then is timed by its own turn', () => {
    const { at, look, progress, changes } = world()
    progress.begin(STEPS.tpm)
    progress.end('unanswered')
    at.ms = 20_000
    progress.begin(STEPS.tpm)
    progress.answered()
    progress.at(STEPS.lineage)
    expect(look(45_000)).toBe(true)
    expect(look(45_001)).toBe(false)
    expect(changes).toEqual(['LINEAGE_TIMEOUT'])
  })
})
