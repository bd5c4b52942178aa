import { pino } from 'pino'
import { expect, it, onTestFinished, vi } from 'vitest'
import { type LogLevel, LogLevels } from '../../../daemon/log/log-level.ts'

function setup(configured: LogLevel) {
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
  const lines: { msg: string; uid?: number; chosen?: string; event?: string }[] = []
  const log = pino({ level: configured }, { write: line => void lines.push(JSON.parse(line)) })
  const state = { configured, nowNs: 0n }
  const levels = new LogLevels(
    log,
    () => state.configured,
    () => state.nowNs,
  )
  const pass = (seconds: number) => {
    state.nowNs += BigInt(seconds) * 1_000_000_000n
    vi.advanceTimersByTime(1_000)
  }
  return { lines, log, levels, state, pass }
}

it('goes back by itself, and both changes are in the log with who made them', () => {
  const { lines, log, levels, pass } = setup('info')
  expect(levels.choose('debug', 60, 1000)).toEqual({ level: 'debug', configured: 'info', leftMs: 60_000 })
  log.debug('heard')
  pass(59)
  expect(log.level).toBe('debug')
  pass(1)
  log.debug('not heard')
  expect(levels.now()).toEqual({ level: 'info', configured: 'info', leftMs: null })
  expect(lines.map(({ msg }) => msg)).toEqual([
    'log level debug for 60 s',
    'heard',
    'log level info again, as configured',
  ])
  expect(lines[0]).toMatchObject({ event: 'log-level', chosen: 'debug', uid: 1000 })
})

it.each(['debug', 'error'] as const)('is told of where %s is configured', configured => {
  const { lines, log, levels } = setup(configured)
  levels.choose('error', 60, 0)
  log.warn('not heard')
  levels.reset(0)
  expect(lines.map(({ msg }) => msg)).toEqual([
    'log level error for 60 s',
    `log level ${configured} again, as configured`,
  ])
  expect(log.level).toBe(configured)
  // There is nothing to go back from.
  levels.reset(0)
  expect(lines).toHaveLength(2)
})

it('a second choice takes the place of the first, with its own time', () => {
  const { log, levels, pass } = setup('info')
  levels.choose('debug', 10, 0)
  pass(9)
  levels.choose('error', 10, 0)
  pass(9)
  expect(log.level).toBe('error')
  pass(1)
  expect(log.level).toBe('info')
})

it('a reload changes what it goes back to, and not what was chosen', () => {
  const { log, levels, state, pass } = setup('info')
  levels.choose('debug', 10, 0)
  state.configured = 'warn'
  levels.configure()
  expect(log.level).toBe('debug')
  pass(10)
  expect(log.level).toBe('warn')
  state.configured = 'error'
  levels.configure()
  expect(log.level).toBe('error')
})
