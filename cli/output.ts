import { setImmediate } from 'node:timers/promises'
import { styleText } from 'node:util'
import { WritError } from '../encoding/error.ts'
import { CliError, EXIT, type ExitStatus } from './error.ts'
import { readerGone, writeTo } from './streams.ts'

type Style = Parameters<typeof styleText>[0]

/** Text with a style where standard output is a terminal that shows colours (and NO_COLOR is not set), else plain. */
export function styled(style: Style, text: string): string {
  return styleText(style, text, { stream: process.stdout })
}

/** The same for standard error. */
export function styledError(style: Style, text: string): string {
  return styleText(style, text, { stream: process.stderr })
}

/**
 * Text from a file, a peer or a log made safe for a terminal: control characters become visible escapes, so that no
 * name or argument can move the cursor or colour a line.
 */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what a terminal would act upon.
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, c => {
    return `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}

/** JSON with bigints as decimal strings and bytes as hexadecimal. */
export function jsonText(value: unknown, indent?: number): string {
  return JSON.stringify(
    value,
    function (this: Record<string, unknown>, key, item: unknown) {
      const raw = this[key]
      if (raw instanceof Uint8Array) return Buffer.from(raw).toString('hex')
      return typeof item === 'bigint' ? item.toString() : item
    },
    indent,
  )
}

/** Where a command's result goes: lines for a person, or one JSON value for a program. */
export class Output {
  readonly json: boolean

  constructor(json: boolean) {
    this.json = json
  }

  /** The result of the command: `value` with `--json`, else the lines. */
  result(value: unknown, lines: () => readonly string[]): void {
    process.stdout.write(
      this.json
        ? `${jsonText(value, 2)}\n`
        : lines()
            .map(line => `${line}\n`)
            .join(''),
    )
  }

  /**
   * One of several results that come one after another: a JSON value in one line, or the lines. Waits when the reader of the
   * output is slower.
   *
   * @returns false when nobody reads any longer
   */
  async item(value: unknown, lines: () => readonly string[]): Promise<boolean> {
    const text = this.json ? [jsonText(value)] : lines()
    await writeTo(process.stdout, text.map(line => `${line}\n`).join(''))
    // Only after a turn of the event loop is it known that there is no reader.
    await setImmediate()
    return !readerGone.aborted
  }

  /** What is going on, on standard error, for whoever sits before a terminal. */
  progress(text: string): void {
    if (process.stderr.isTTY) this.note(styledError('dim', text))
  }

  /** A remark on standard error, for persons only. */
  note(text: string): void {
    if (!this.json) process.stderr.write(`${text}\n`)
  }
}

/** Reports an error on standard error and gives the exit status that belongs to it. Never prints a stack trace. */
export function reportError(error: unknown, json: boolean): ExitStatus {
  const { code, message, at, next, lines, detail, exitStatus } = describe(error)
  if (json) {
    process.stderr.write(`${jsonText({ error: { code, message, at, next, ...detail } }, 2)}\n`)
    return exitStatus
  }
  process.stderr.write(`${styledError('red', 'writ:')} ${printable(message)}\n`)
  for (const line of lines) process.stderr.write(`      ${printable(line)}\n`)
  if (next !== undefined) process.stderr.write(`      ${printable(next)}\n`)
  return exitStatus
}

function describe(error: unknown) {
  if (error instanceof CliError) {
    const { code, message, at, next, lines, detail, exitStatus } = error
    return { code, message, at, next, lines, detail, exitStatus }
  }
  if (error instanceof WritError) {
    const { code, message, at } = error
    const next = 'Check that what was given is what was meant; --help has an example.'
    return { code, message, at, next, lines: [], detail: undefined, exitStatus: EXIT.wrongUse }
  }
  const message = error instanceof Error ? error.message : String(error)
  return {
    code: 'INTERNAL',
    message: `internal error: ${message}`,
    at: undefined,
    next: 'This is a defect of writ. Please report it with the command that you used.',
    lines: [],
    detail: undefined,
    exitStatus: EXIT.refused,
  }
}
