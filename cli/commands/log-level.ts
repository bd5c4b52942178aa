import type { Command } from 'commander'
import { api } from '../../proto/client.ts'
import { addCommand, addNote, setAction } from '../command.ts'
import { CliError } from '../error.ts'
import { addSocketOption, type SocketOptions, withDaemon } from '../rpc/daemon.ts'
import { duration } from '../workload.ts'

const LEVELS = ['debug', 'info', 'warn', 'error'] as const
/** As in the API (`SetLogLevelRequest.seconds`). */
const MOST_SECONDS = 86_400

interface Options extends SocketOptions {
  for?: number
}

export function addLogLevel(program: Command): void {
  const command = addCommand(
    program,
    'log-level <level>',
    'Have the daemon log more, or less, for a while: debug, info, warn, error; or "configured" to go back at once.',
    `writ log-level debug --for 10m
     writ log-level configured`,
    { level: 'text', configured: 'text', 'untilTime|null': 'time' },
  ).option('--for <duration>', 'how long, at most a day; then it is as configured again', duration('--for'))
  addSocketOption(command)
  addNote(
    command,
    'For configured governors (`access.governors`). It goes back by itself, and with a restart; the journal has each change.\n' +
      'For good: daemon.log_level in writd.toml, and `systemctl reload writd`.',
  )
  setAction<Options>(command, async ({ args, options, output }) => {
    const request = requestOf(args[0] ?? '', options.for)
    await withDaemon(options, async daemon => {
      const answer = await daemon.call(api.governance.SetLogLevel, request)
      const name = (level: string) => level.replace(/^LOG_LEVEL_/, '').toLowerCase()
      const level = name(answer.level)
      const untilTime = answer.untilTime === '' ? null : answer.untilTime
      output.result({ level, configured: name(answer.configured), untilTime }, () => [
        untilTime === null ? `log level ${level}, as configured` : `log level ${level} until ${untilTime}`,
      ])
    })
    return undefined
  })
}

function requestOf(level: string, seconds: number | undefined) {
  if (level === 'configured') {
    if (seconds === undefined) return { level: 'LOG_LEVEL_UNSPECIFIED' as const, seconds: 0 }
    throw new CliError('USAGE', '--for is for a level: "configured" stays')
  }
  const known = LEVELS.find(it => it === level)
  if (known === undefined)
    throw new CliError('USAGE', `no level ${JSON.stringify(level)}: ${LEVELS.join(', ')} or configured`)
  if (seconds === undefined) throw new CliError('USAGE', `say for how long, for example --for 10m`)
  if (seconds < 1 || seconds > MOST_SECONDS || !Number.isInteger(seconds))
    throw new CliError('USAGE', '--for takes whole seconds, at least one and at most a day')
  return { level: `LOG_LEVEL_${known.toUpperCase() as Uppercase<typeof known>}` as const, seconds }
}
