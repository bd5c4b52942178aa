import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { CLOCK_TOLERANCE_MS, ClockWatch } from '../../authorization/index.ts'
import { type ClockChange, WallClock } from '../../daemon/wall-clock.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const START = 1_000_000_000

function setup(watch?: ClockWatch) {
  const time = { wall: START, boot: 5_000, suspended: 0, tpm: 700_000, resetCount: 3, restartCount: 0 }
  const clock = new WallClock(
    {
      wallMs: () => time.wall,
      bootNs: () => BigInt(time.boot) * 1_000_000n,
      monotonicNs: () => BigInt(time.boot - time.suspended) * 1_000_000n,
    },
    watch,
  )
  const changes: ClockChange[] = []
  clock.onChange = change => changes.push(change)
  /** Time passes, for all clocks alike. */
  const pass = (ms: number, tpmRate = 1) => {
    time.wall += ms
    time.boot += ms
    time.tpm += Math.round(ms * tpmRate)
  }
  const quote = () => {
    const asked = clock.read()
    pass(20)
    const { resetCount, restartCount } = time
    clock.quoted(asked, clock.read(), { clock: BigInt(time.tpm), resetCount, restartCount })
    return clock.now().untrusted
  }
  return { time, clock, changes, pass, quote, look: () => clock.now().untrusted }
}

describe('a wall clock', () => {
  test('is trusted while all clocks move together, over days, with a TPM that is 15 % fast or slow', () => {
    for (const rate of [1, 0.86, 1.15]) {
      const { pass, quote, changes } = setup()
      expect(quote()).toBeNull()
      for (let i = 0; i < 1000; i++) {
        pass(5 * MINUTE, rate)
        expect(quote()).toBeNull()
      }
      expect(changes).toEqual([])
    }
  })

  test.each([
    ['back', -HOUR],
    ['back by little more than the bound', -CLOCK_TOLERANCE_MS - 1],
    ['forward', HOUR],
    ['forward by little more than the bound', CLOCK_TOLERANCE_MS + 1],
  ])('set %s it is not trusted, and stays so until it is right again and a quote says so', (_, step) => {
    const { time, quote, look, pass, changes } = setup()
    expect(quote()).toBeNull()
    pass(10_000)
    time.wall += step
    expect(look()).toMatch(step < 0 ? /behind|set back/ : /set forward/)
    pass(10_000)
    expect(quote()).not.toBeNull()
    time.wall -= step
    expect(look()).not.toBeNull()
    expect(quote()).toBeNull()
    return Promise.resolve().then(() =>
      expect(changes).toEqual([
        { trusted: false, why: expect.any(String) },
        { trusted: true, by: 'return' },
      ]),
    )
  })

  test('corrected by a second now and then, as after a leap second or a suspended hour, is trusted', () => {
    const { time, pass, quote } = setup()
    expect(quote()).toBeNull()
    for (let i = 0; i < 20; i++) {
      pass(HOUR)
      time.wall += i % 2 === 0 ? 1_000 : -1_000
      expect(quote()).toBeNull()
    }
  })

  test('moved by small steps is noticed when they add up, in either direction', () => {
    for (const step of [-1_000, 1_000]) {
      const { time, pass, quote } = setup()
      expect(quote()).toBeNull()
      const found = Array.from({ length: 8 }, () => {
        pass(10_000)
        time.wall += step
        return quote()
      })
      expect(found.slice(0, 4)).toEqual([null, null, null, null])
      expect(found.at(-1)).not.toBeNull()
    }
  })

  test('that runs with a boot clock that is slowed or sped up disagrees with the TPM', () => {
    for (const factor of [0.5, 2]) {
      const { time, quote } = setup()
      expect(quote()).toBeNull()
      for (let i = 0; i < 4; i++) {
        time.wall += 10_000 * factor
        time.boot += 10_000 * factor
        time.tpm += 10_000
        quote()
      }
      expect(quote()).toMatch(/the wall clock went on by .* while the TPM's went on by/)
    }
  })

  test('of a machine that was paused: denied until it is set, and then explained by the TPM', async () => {
    const { time, quote, look, pass, changes } = setup()
    expect(quote()).toBeNull()
    time.tpm += HOUR
    pass(10_000)
    expect(quote()).toMatch(/while the TPM's/)
    time.wall += HOUR
    expect(quote()).toBeNull()
    expect(look()).toBeNull()
    await Promise.resolve()
    expect(changes.map(({ trusted }) => trusted)).toEqual([false, true])
    expect(changes[1]).toEqual({ trusted: true, by: 'tpm' })
    // From there on it is expected where it now is.
    time.wall -= HOUR
    expect(look()).not.toBeNull()
  })

  test('set forward is not explained by a TPM that agrees with the boot clock, nor by one that was reset', () => {
    for (const reset of [false, true]) {
      const { time, quote, pass } = setup()
      expect(quote()).toBeNull()
      if (reset) time.resetCount++
      pass(10_000)
      time.wall += HOUR
      for (let i = 0; i < 3; i++) {
        pass(10_000)
        expect(quote()).not.toBeNull()
      }
    }
  })

  test('is trusted over a suspended night, whether the TPM had power meanwhile or not', () => {
    for (const power of [true, false]) {
      const { time, quote, look } = setup()
      expect(quote()).toBeNull()
      time.wall += 8 * HOUR
      time.boot += 8 * HOUR
      time.suspended += 8 * HOUR
      if (power) time.tpm += 8 * HOUR
      expect(look()).toBeNull()
      expect(quote()).toBeNull()
    }
  })

  test('is not held against a TPM whose clock was set back by a loss of power', () => {
    const { time, quote, pass } = setup()
    expect(quote()).toBeNull()
    time.resetCount++
    time.tpm -= 300_000
    pass(10_000)
    expect(quote()).toBeNull()
  })

  test('accepted by an operator counts from there on', () => {
    const { time, clock, quote, look, pass } = setup()
    expect(quote()).toBeNull()
    time.wall -= HOUR
    expect(look()).not.toBeNull()
    clock.accept()
    expect(look()).toBeNull()
    pass(10_000)
    expect(quote()).toBeNull()
    time.wall += HOUR
    expect(look()).toMatch(/set forward/)
  })
})

describe('a wall clock over a restart of the daemon', () => {
  const seen = (bootId = 'a') => {
    const watch = new ClockWatch()
    watch.begin('a')
    watch.look({ wallMs: START, bootMs: 5_000, suspendedMs: 0 })
    watch.begin(bootId)
    return watch
  }

  test('is held against the boot clock of the same boot, in both directions', () => {
    for (const step of [-HOUR, HOUR]) {
      const { time, look } = setup(seen())
      time.wall += step
      expect(look()).not.toBeNull()
    }
    expect(setup(seen()).look()).toBeNull()
  })

  test('in another boot it may be later, and not earlier', () => {
    for (const [step, trusted] of [
      [-HOUR, false],
      [HOUR, true],
    ] as const) {
      const { time, look } = setup(seen('b'))
      time.boot = 17
      time.wall += step
      expect(look() === null).toBe(trusted)
    }
  })

  test('that the log left without trust has none, and says so once', async () => {
    const watch = seen()
    watch.distrust('as the log says')
    const { look, changes } = setup(watch)
    expect(look()).toBe('as the log says')
    look()
    await Promise.resolve()
    expect(changes).toHaveLength(1)
  })

  test('is held against the newest quote in the log', () => {
    const watch = seen('a')
    watch.recorded({ wallMs: START, bootMs: 5_000, suspendedMs: 0 }, 10_000, {
      clock: 700_000n,
      resetCount: 3,
      restartCount: 0,
    })
    const { time, quote } = setup(watch)
    time.tpm += HOUR
    expect(quote()).toMatch(/while the TPM's went on by 3600/)
  })
})

test('whatever happens, a trusted clock is never behind one that was trusted before, beyond the bound', () => {
  const step = fc.record({
    wall: fc.integer({ min: -20_000, max: 20_000 }),
    pass: fc.integer({ min: 0, max: 30_000 }),
    tpm: fc.integer({ min: 0, max: 60_000 }),
    quoted: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), steps => {
      const { time, clock, quote, pass } = setup()
      let newest = 0
      for (const { wall, pass: ms, tpm, quoted } of steps) {
        pass(ms)
        time.wall += wall
        time.tpm += tpm
        if (quoted) quote()
        const { ms: now, untrusted } = clock.now()
        if (untrusted !== null) continue
        expect(now).toBeGreaterThanOrEqual(newest - CLOCK_TOLERANCE_MS)
        newest = Math.max(newest, now)
      }
    }),
    { numRuns: 300 },
  )
})
