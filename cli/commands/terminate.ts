import type { Command } from 'commander'
import { api } from '../../proto/client.ts'
import { addCommand, addNote, setAction } from '../command.ts'
import { EXIT } from '../error.ts'
import { readExecutionId } from '../execution-id.ts'
import { addSocketOption, type SocketOptions, withDaemon } from '../rpc/daemon.ts'
import { EXECUTION, shownExecution } from '../rpc/execution.ts'
import { hasEnded, present } from '../rpc/executions.ts'
import { listLine } from './executions.ts'

export function addTerminate(program: Command): void {
  const command = addCommand(
    program,
    'terminate <id...>',
    'End executions with all their processes and children, and wait until they are seen to be dead.',
    'writ terminate 5d0c1f2a9b3e4d5c6f7081928394a5b6',
    { executions: [EXECUTION] },
  )
  addSocketOption(command)
  addNote(
    command,
    'Exit status: 1 if one of them was not confirmed dead within ten seconds; the order stands, and `writ wait` waits for it.\n' +
      'One that has ended already is no error. Nothing is ended unless all of them are known.',
  )
  setAction<SocketOptions>(command, async ({ args, options, output }) => {
    const ids = [...new Set(args.map(readExecutionId))]
    return withDaemon(options, async daemon => {
      for (const executionId of ids) await daemon.call(api.execution.Get, { executionId })
      const answers = await Promise.all(
        ids.map(executionId => daemon.call(api.execution.Terminate, { executionId })),
      )
      const executions = answers.map(({ execution }) => present(execution))
      const shown = executions.map(shownExecution)
      output.result({ executions: shown }, () => shown.map(listLine))
      return executions.every(hasEnded) ? EXIT.done : EXIT.refused
    })
  })
}
