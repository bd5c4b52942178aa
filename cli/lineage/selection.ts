import type { Command } from 'commander'
import { EVENT_TYPES, type EventType, isEventType } from '../../lineage/index.ts'
import { CliError } from '../error.ts'
import { readPastInstant } from '../instant.ts'
import type { Output } from '../output.ts'
import { addSocketOption, type SocketOptions, withDaemon } from '../rpc/daemon.ts'
import { entryIndex } from './entries.ts'
import { artifactPattern, glob, programPattern, readUid } from './pattern.ts'
import { daemonSource, directorySource, type LogSource } from './source.ts'

/** Where a command reads from. */
export interface SourceOptions extends SocketOptions {
  directory?: string
}

export interface RangeOptions {
  from?: number
  to?: number
  since?: string
  until?: string
}

export interface SelectionOptions extends RangeOptions {
  type?: EventType[]
  outcome?: string
  reason?: string[]
  caller?: number[]
  unit?: string[]
  cgroup?: string[]
  program?: string[]
  issuer?: string[]
  artifact?: string[]
  execution?: string
  descendants?: boolean
}

/** Adds where to read from: the daemon unless a directory is named. */
export function addSourceOptions(command: Command): Command {
  command.option(
    '--directory <directory>',
    'read an exported bundle or a state directory as it is now, without a daemon; nothing is verified',
  )
  return addSocketOption(command)
}

/** Opens what the options name, and says what of it cannot be read. @throws CliError */
export async function withSource<T>(
  options: SourceOptions,
  output: Output,
  work: (source: LogSource) => Promise<T>,
): Promise<T> {
  if (options.directory === undefined) return withDaemon(options, daemon => work(daemonSource(daemon)))
  const source = directorySource(options.directory)
  const { tailFault } = source.reader
  if (tailFault !== null)
    output.note(`writ: the newest entries cannot be read, only what the checkpoint stands for: ${tailFault}`)
  return work(source)
}

/** @throws CliError for what cannot be followed */
export function checkFollow({
  directory,
  to,
  until,
  follow,
}: SourceOptions & RangeOptions & { follow?: boolean }): void {
  if (follow !== true) return
  if (directory !== undefined)
    throw new CliError('USAGE', 'a directory is read as it is now: --follow needs the daemon')
  if (to !== undefined || until !== undefined)
    throw new CliError('USAGE', '--follow has no end: leave out --to and --until')
}

/** Adds the options that narrow a command to a part of the log. */
export function addRangeOptions(command: Command): Command {
  return command
    .option('--since <time>', 'from that time on: RFC 3339, a date, 2h, today, yesterday (in UTC)')
    .option('--until <time>', 'up to that time')
    .option('--from <index>', 'first entry', entryIndex)
    .option('--to <index>', 'entry after the last', entryIndex)
}

/** Adds the options that pick entries. Of one option given several times any may hold; of several options all have to. */
export function addSelectionOptions(command: Command): Command {
  const several = (value: string, all: string[] = []) => [...all, value]
  return addRangeOptions(command)
    .option('--type <type>', 'entries of this type (repeatable)', readType)
    .option('--outcome <outcome>', 'decisions: permit or deny', readOutcome)
    .option('--reason <code>', 'with this reason or cause (repeatable)', readCode)
    .option('--caller <user>', 'of requests of this user or uid (repeatable)', (text, all: number[] = []) => [
      ...all,
      readUid(text),
    ])
    .option('--unit <pattern>', 'of requests from this systemd unit (repeatable)', several)
    .option('--cgroup <pattern>', 'of requests from this cgroup, or one below it (repeatable)', several)
    .option(
      '--program <pattern>',
      'of requests for this program: path, name or SHA-256 (repeatable)',
      several,
    )
    .option('--issuer <pattern>', 'of requests under an artifact of this issuer (repeatable)', several)
    .option('--artifact <pattern>', 'of requests under this artifact: id or digest (repeatable)', several)
    .option('--execution <id>', 'of this execution; the beginning of its id will do')
    .option('--descendants', 'with --execution: and of all that it led to')
}

function readType(text: string, all: EventType[] = []): EventType[] {
  if (isEventType(text)) return [...all, text]
  throw new CliError('USAGE', `there is no type of entry ${JSON.stringify(text)}`, {
    next: `There are: ${[...EVENT_TYPES].sort().join(', ')}.`,
  })
}

function readOutcome(text: string): string {
  if (text === 'permit' || text === 'deny') return text
  throw new CliError('USAGE', `--outcome is permit or deny, not ${JSON.stringify(text)}`)
}

function readCode(text: string, all: string[] = []): string[] {
  const code = text.toUpperCase()
  if (/^[A-Z][A-Z0-9_]{1,63}$/.test(code)) return [...all, code]
  throw new CliError('USAGE', `--reason takes a code such as POLICY_DENIED, not ${JSON.stringify(text)}`)
}

/** What is to be looked at of the log. */
export interface Range {
  readonly from: number
  readonly to: number
  /** Entries of the log. */
  readonly size: number
}

/** The positions that the options name. @throws CliError */
export async function readRange(source: LogSource, options: RangeOptions): Promise<Range> {
  const nowMs = Date.now()
  const ms = (text: string | undefined, where: string) =>
    text === undefined ? null : readPastInstant(text, where, nowMs)
  const [sinceMs, untilMs] = [ms(options.since, '--since'), ms(options.until, '--until')]
  if (sinceMs !== null && untilMs !== null && sinceMs > untilMs)
    throw new CliError('USAGE', '--since is later than --until')
  const { from, to, size } = await source.range({ sinceMs, untilMs })
  const first = Math.max(from, options.from ?? 0)
  return {
    from: Math.min(first, size),
    to: Math.max(Math.min(first, size), Math.min(to, options.to ?? to)),
    size,
  }
}

type Test<Args extends unknown[]> = (...args: Args) => boolean

/** What the options ask of an entry, and of the request that it belongs to. */
export interface Criteria {
  readonly types: ReadonlySet<string>
  readonly outcome: string | null
  readonly reasons: ReadonlySet<string> | null
  readonly callers: ReadonlySet<number> | null
  readonly unit: Test<[string | null]> | null
  readonly cgroup: Test<[string | null]> | null
  readonly program: Test<[string | null, readonly string[]]> | null
  readonly issuer: Test<[string | null]> | null
  readonly artifact: Test<[string | null, string | null]> | null
}

/** Makes the criteria of the options. @throws CliError */
export function readCriteria(options: SelectionOptions): Criteria {
  if (options.descendants === true && options.execution === undefined)
    throw new CliError('USAGE', '--descendants goes with --execution')
  const any = <Args extends unknown[]>(texts: string[] | undefined, test: (text: string) => Test<Args>) => {
    if (texts === undefined) return null
    const tests = texts.map(test)
    return (...args: Args) => tests.some(one => one(...args))
  }
  const text = (pattern: string) => {
    const expression = glob(pattern)
    return (value: string | null) => value !== null && expression.test(value)
  }
  return {
    types: new Set(options.type),
    outcome: options.outcome ?? null,
    reasons: options.reason === undefined ? null : new Set(options.reason),
    callers: options.caller === undefined ? null : new Set(options.caller),
    unit: any(options.unit, text),
    cgroup: any(options.cgroup, pattern => {
      const [itself, below] = [text(pattern), text(`${pattern.replace(/\/$/, '')}/**`)]
      return value => itself(value) || below(value)
    }),
    program: any(options.program, programPattern),
    issuer: any(options.issuer, text),
    artifact: any(options.artifact, artifactPattern),
  }
}
