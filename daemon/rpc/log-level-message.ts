import type { SetLogLevelRequest } from '../../proto/generated/writ/v1/SetLogLevelRequest.ts'
import type { SetLogLevelResponseInput } from '../../proto/generated/writ/v1/SetLogLevelResponse.ts'
import {
  type LevelInForce,
  LOG_LEVELS,
  type LogLevel,
  type LogLevels,
  MAX_LEVEL_SECONDS,
} from '../log/log-level.ts'
import { malformed } from './request.ts'

/** The daemon's log, as far as a caller may change it. */
export type LevelSwitch = Pick<LogLevels, 'choose' | 'reset'>

/** What is asked for; null: the configured level. @throws RequestError `REQUEST_MALFORMED` */
export function logLevelOf(message: SetLogLevelRequest): { level: LogLevel; seconds: number } | null {
  const { level: name, seconds } = message
  if (name === 'LOG_LEVEL_UNSPECIFIED') {
    if (seconds !== 0) throw malformed('seconds', 'are of a level, and none is given')
    return null
  }
  const level = LOG_LEVELS.find(known => `LOG_LEVEL_${known.toUpperCase()}` === name)
  if (level === undefined) throw malformed('level', 'is not known')
  if (seconds < 1 || seconds > MAX_LEVEL_SECONDS)
    throw malformed('seconds', `are not from 1 to ${MAX_LEVEL_SECONDS}`)
  return { level, seconds }
}

export function levelMessage({ level, configured, leftMs }: LevelInForce): SetLogLevelResponseInput {
  const name = (it: LogLevel) => `LOG_LEVEL_${it.toUpperCase() as Uppercase<LogLevel>}` as const
  return {
    level: name(level),
    configured: name(configured),
    untilTime: leftMs === null ? '' : new Date(Date.now() + leftMs).toISOString(),
  }
}
