import { describe, expect, test } from 'vitest'
import { WALL_CLOCK_TOLERANCE_MS, WallClock } from '../../daemon/wall-clock.ts'

function setup(newestRecordedMs = 0) {
  const time = { wall: 1_000_000_000, boot: 5_000 }
  const clock = new WallClock(
    () => time.wall,
    () => BigInt(time.boot) * 1_000_000n,
    newestRecordedMs,
  )
  return { time, clock }
}

describe('wall clock', () => {
  test('is trusted while both clocks move together', () => {
    const { time, clock } = setup()
    time.wall += 60_000
    time.boot += 60_000
    expect(clock.now()).toEqual({ ms: time.wall, untrusted: null })
  })

  test('set back an hour it is not trusted, and stays so until it is right again', () => {
    const { time, clock } = setup()
    time.wall -= 3_600_000
    expect(clock.now().untrusted).not.toBeNull()
    time.wall += 3_600_000
    expect(clock.now().untrusted).toBeNull()
  })

  test('set back slowly enough to stay ahead of the record, it is still noticed', () => {
    const { time, clock } = setup()
    time.boot += 3_600_000
    expect(clock.now().untrusted).toMatch(/set back/)
  })

  test('behind the newest recorded time after a restart it is not trusted', () => {
    const { clock } = setup(1_000_000_000 + WALL_CLOCK_TOLERANCE_MS + 1)
    expect(clock.now().untrusted).toMatch(/already recorded/)
  })

  test('a small correction is not an attack', () => {
    const { time, clock } = setup()
    time.wall -= WALL_CLOCK_TOLERANCE_MS
    expect(clock.now().untrusted).toBeNull()
  })

  test('a step forward is taken over, and going back from there is noticed', () => {
    const { time, clock } = setup()
    time.wall += 3_600_000
    expect(clock.now().untrusted).toBeNull()
    time.wall -= 3_600_000
    expect(clock.now().untrusted).not.toBeNull()
  })
})
