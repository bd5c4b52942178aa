import type { Level, Logger } from 'pino'
import { bootTimeNs } from '../native.ts'

/** The levels that can be chosen, the loudest first. */
export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const satisfies readonly Level[]

export type LogLevel = (typeof LOG_LEVELS)[number]

/** Longest time for which a level can be chosen: a day, so that no debug log is forgotten. */
export const MAX_LEVEL_SECONDS = 86_400

/** How often the clock is looked at: a timer of Node's stands still in suspend, and hours are hours on the wall. */
const LOOK_MS = 1_000

/** The level that is in force. */
export interface LevelInForce {
  readonly level: LogLevel
  readonly configured: LogLevel
  /** Milliseconds until it goes back; null if it is as configured. */
  readonly leftMs: number | null
}

/**
 * How much is logged: as configured, or another level for a while. It goes back by itself, and each change is in the log, whatever the level is
 * before and after.
 */
export class LogLevels {
  readonly #log: Logger
  readonly #configured: () => LogLevel
  readonly #bootNs: () => bigint
  #timer: NodeJS.Timeout | undefined
  #chosen: { readonly level: LogLevel; readonly untilNs: bigint } | null = null

  /** @param configured looked at anew each time: a reload may change it */
  constructor(log: Logger, configured: () => LogLevel, bootNs: () => bigint = bootTimeNs) {
    this.#log = log
    this.#configured = configured
    this.#bootNs = bootNs
  }

  /** A level for so many seconds, in place of the configured one and of whatever was chosen before. */
  choose(level: LogLevel, seconds: number, uid: number): LevelInForce {
    this.#tell({ level, seconds, uid }, `log level ${level} for ${seconds} s`)
    this.#chosen = { level, untilNs: this.#bootNs() + BigInt(seconds) * 1_000_000_000n }
    this.#timer ??= setInterval(() => this.#look(), LOOK_MS).unref()
    this.#log.level = level
    return this.now()
  }

  /** Back to the configured level now. */
  reset(uid: number): LevelInForce {
    if (this.#chosen !== null) this.#back({ uid })
    return this.now()
  }

  /** The configuration may have another level now. */
  configure(): void {
    if (this.#chosen === null) this.#log.level = this.#configured()
  }

  now(): LevelInForce {
    const configured = this.#configured()
    if (this.#chosen === null) return { level: configured, configured, leftMs: null }
    const left = this.#chosen.untilNs - this.#bootNs()
    return { level: this.#chosen.level, configured, leftMs: left > 0n ? Number(left / 1_000_000n) : 0 }
  }

  #look(): void {
    if (this.#chosen !== null && this.#bootNs() >= this.#chosen.untilNs) this.#back({})
  }

  #back(who: { uid?: number }): void {
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#chosen = null
    const level = this.#configured()
    this.#tell({ level, ...who }, `log level ${level} again, as configured`)
    this.#log.level = level
  }

  /** Also where the level would leave it out. */
  #tell(fields: { level: LogLevel; seconds?: number; uid?: number }, message: string): void {
    const { level: chosen, ...rest } = fields
    this.#log.level = 'info'
    this.#log.info({ event: 'log-level', chosen, ...rest }, message)
  }
}
