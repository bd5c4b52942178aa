import type { Command } from 'commander'
import { CallError } from '../../proto/client.ts'
import { addCommand, addNote, setAction } from '../command.ts'
import { CliError, EXIT } from '../error.ts'
import { readExecutionId } from '../execution-id.ts'
import { addSocketOption, type SocketOptions, withDaemon } from '../rpc/daemon.ts'
import { EXECUTION, shownExecution } from '../rpc/execution.ts'
import { whenEnded } from '../rpc/executions.ts'
import { duration } from '../workload.ts'
import { listLine } from './executions.ts'

interface Options extends SocketOptions {
  timeout?: number
  success?: boolean
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
    .option('--success', 'exit with 1 unless each of them ended by itself with exit status 0')
  addSocketOption(command)
  addNote(
    command,
    'Exit status: 0 when all have ended, however they did; 1 after --timeout, without an answer, or as --success says.',
  )
  setAction<Options>(command, async ({ args, options, output }) => {
    const ids = args.map(readExecutionId)
    return withDaemon(options, async daemon => {
      const { timeout, success } = options
      let good = true
      output.progress(`waiting for ${ids.length === 1 ? 'one execution' : `${ids.length} executions`}`)
      try {
        const ended = whenEnded(daemon, ids, timeout === undefined ? {} : { deadlineMs: timeout * 1000 })
        for await (const execution of ended) {
          const shown = shownExecution(execution)
          good &&= shown.end?.cause === 'EXIT' && shown.end.exitCode === 0
          if (!(await output.item(shown, () => [listLine(shown)]))) break
        }
      } catch (cause) {
        if (!(cause instanceof CallError) || cause.code !== 'DEADLINE_EXCEEDED') throw cause
        throw new CliError('REQUEST_FAILED', `not all have ended after ${timeout} s`, {
          cause,
          next: 'Wait longer, or end them: writ terminate',
        })
      }
      return success === true && !good ? EXIT.refused : EXIT.done
    })
  })
}
