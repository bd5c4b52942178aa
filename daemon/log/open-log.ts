import { type DestinationStream, type Level, type Logger, pino } from 'pino'
import { journalSend, stderrIsJournal, stderrWrite } from '../native.ts'
import type { EventName } from './event.ts'
import { journalEntry } from './journal-entry.ts'
import { journalFields } from './journal-fields.ts'

/** Puts one line of the log somewhere, at once or not at all; false when it was not taken. */
export type TakeLine = (line: string) => boolean

/**
 * A destination that never waits: whoever reads the log slowly, or not at all, loses lines, and the next line that is taken says how many.
 * Decisions are answered on the same thread.
 */
export class LogOutput implements DestinationStream {
  readonly #take: TakeLine
  /** Lines lost since the last one that was taken. */
  dropped = 0

  constructor(take: TakeLine) {
    this.#take = take
  }

  write(line: string): void {
    const told = this.dropped === 0 ? line : line.replace(/^\{/, `{"dropped":${this.dropped},`)
    if (this.#take(told)) this.dropped = 0
    else this.dropped++
  }
}

/** The journal with its fields where standard error is the journal; else lines of JSON on standard error. */
export function openLog(level: Level): Logger {
  return pino({ name: 'writd', level }, new LogOutput(stderrIsJournal() ? toJournal : toStderr()))
}

function toJournal(line: string): boolean {
  return journalSend(journalEntry(journalFields(JSON.parse(line) as Record<string, unknown>)))
}

function toStderr(): TakeLine {
  let broken = false
  return line => {
    // What was taken of a line before may be a part of it.
    broken = !stderrWrite(Buffer.from(broken ? `\n${line}` : line))
    return !broken
  }
}

/**
 * The last words of a process that cannot go on: one line for the operator.
 *
 * @param code of the error, if it has one
 * @param hint what to do about it, put behind all else
 */
export function lastWords(message: string, code: string | null, hint = ''): void {
  const event: EventName = 'daemon-failed'
  if (stderrIsJournal()) toJournal(JSON.stringify({ level: 60, event, code, msg: `${message}${hint}` }))
  else stderrWrite(Buffer.from(`writd: ${message}${code === null ? '' : ` [${code}]`}${hint}\n`))
}
