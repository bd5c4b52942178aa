import type { Command } from 'commander'
import { CallError } from '../../proto/client.ts'
import { addCommand, addNote, setAction } from '../command.ts'
import { CliError, EXIT, type ExitStatus } from '../error.ts'
import { readExecutionId } from '../execution-id.ts'
import { addSocketOption, type SocketOptions, withDaemon } from '../rpc/daemon.ts'
import { EXECUTION, exitStatusOf, shownExecution } from '../rpc/execution.ts'
import { whenEnded } from '../rpc/executions.ts'
import { duration } from '../workload.ts'
import { listLine } from './executions.ts'

interface Options extends SocketOptions {
  timeout?: number
  success?: boolean
  status?: boolean
}

export function addWait(program: Command): void {
  const command = addCommand(
    program,
    'wait <id...>',
    'Wait until executions have ended, and say of each how, in the order in which they end.',
    `writ wait 5d0c1f2a9b3e4d5c6f7081928394a5b6
     writ wait --success --timeout 10m 5d0c1f2a9b3e4d5c6f7081928394a5b6 81928394a5b65d0c1f2a9b3e4d5c6f70`,
    [{ as: 'lines', fields: EXECUTION }],
  )
    .option('--timeout <duration>', 'longest time to wait', duration('--timeout'))
    .option('--status', 'exit as the one execution that is named did, as `writ run` would have')
    .option('--success', 'exit with 1 unless each of them ended by itself with exit status 0')
  addSocketOption(command)
  addNote(
    command,
    'Exit status: 0 when all have ended, however they did; 1 after --timeout, without an answer, or as --success and --status say.',
  )
  setAction<Options>(command, async ({ args, options, output }) => {
    const ids = args.map(readExecutionId)
    if (options.status === true && (ids.length !== 1 || options.success === true))
      throw new CliError('USAGE', '--status takes one id, and no --success')
    return withDaemon(options, async daemon => {
      const { timeout, success } = options
      let good = true
      let status: ExitStatus = EXIT.refused
      output.progress(`waiting for ${ids.length === 1 ? 'one execution' : `${ids.length} executions`}`)
      try {
        const ended = whenEnded(daemon, ids, timeout === undefined ? {} : { deadlineMs: timeout * 1000 })
        for await (const execution of ended) {
          const shown = shownExecution(execution)
          good &&= shown.end?.cause === 'EXIT' && shown.end.exitCode === 0
          if (execution.end !== null) status = exitStatusOf(execution.end)
          if (!(await output.item(shown, () => [listLine(shown)]))) break
        }
      } catch (cause) {
        if (!(cause instanceof CallError) || cause.code !== 'DEADLINE_EXCEEDED') throw cause
        throw new CliError('REQUEST_FAILED', `not all have ended after ${timeout} s`, {
          cause,
          next: 'Wait longer, or end them: writ terminate',
        })
      }
      if (options.status === true) return status
      return success === true && !good ? EXIT.refused : EXIT.done
    })
  })
}
