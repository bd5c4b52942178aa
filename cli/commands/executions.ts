import type { Command } from 'commander'
import { api } from '../../proto/client.ts'
import { addCommand, setAction } from '../command.ts'
import { CliError } from '../error.ts'
import { readExecutionId } from '../execution-id.ts'
import { type Output, printable, styled } from '../output.ts'
import { addSocketOption, type SocketOptions, withDaemon } from '../rpc/daemon.ts'
import { EXECUTION, endText, type ShownExecution, shownExecution } from '../rpc/execution.ts'
import { getExecution, hasEnded, listExecutions, present } from '../rpc/executions.ts'

interface Options extends SocketOptions {
  all?: boolean
  watch?: boolean
}

export function addExecutions(program: Command): void {
  const command = addCommand(
    program,
    'executions [id]',
    'List the executions that you may see, newest first, or show one of them.',
    `writ executions
     writ executions --all --json
     writ executions 5d0c1f2a9b3e4d5c6f7081928394a5b6 --watch`,
    [
      { fields: { executions: [EXECUTION] } },
      { when: 'with an id', fields: EXECUTION },
      { when: 'with --watch', as: 'lines', fields: EXECUTION },
    ],
  )
    .option('--all', 'those that have ended too, as far as the daemon remembers them')
    .option('--watch', 'show every change until interrupted, or until the one that is named has ended')
  addSocketOption(command)
  setAction<Options>(command, async ({ args, options, output }) => {
    const id = args[0] === undefined ? undefined : readExecutionId(args[0])
    if (id !== undefined && options.all === true) {
      throw new CliError('USAGE', 'name an execution or give --all, not both')
    }
    return withDaemon(options, async daemon => {
      if (options.watch === true) {
        const seen = new Set<string>()
        for await (const answer of daemon.read(api.execution.Watch, { executionId: id ?? '' })) {
          const execution = present(answer.execution)
          // The stream begins with all that is known.
          const old = hasEnded(execution) && !seen.has(execution.executionId)
          seen.add(execution.executionId)
          if (old && id === undefined && options.all !== true) continue
          const shown = shownExecution(execution)
          if (!(await output.item(shown, () => [listLine(shown)]))) break
        }
        return undefined
      }
      if (id !== undefined) showOne(shownExecution(await getExecution(daemon, id)), output)
      else await list(listExecutions(daemon, options.all === true), output)
      return undefined
    })
  })
}

async function list(executions: AsyncIterable<Parameters<typeof shownExecution>[0]>, output: Output) {
  const shown: ShownExecution[] = []
  for await (const execution of executions) shown.push(shownExecution(execution))
  output.result({ executions: shown }, () => (shown.length === 0 ? ['none'] : shown.map(listLine)))
}

/** One execution as a line: for lists and for changes. */
export function listLine(execution: ShownExecution): string {
  const { executionId, callerUid, permittedTime, argv, program, end } = execution
  const how = end === null ? '' : `  ${printable(endText(end))}`
  return `${executionId}  ${stateText(execution)}  uid ${callerUid}  ${permittedTime}  ${printable((argv.length > 0 ? argv : [program]).join(' '))}${how}`
}

function stateText({ state }: ShownExecution): string {
  const style = state === 'RUNNING' ? 'green' : state === 'ENDED' ? 'dim' : 'yellow'
  return styled(style, state.padEnd(9))
}

function showOne(execution: ShownExecution, output: Output): void {
  const { end, parentExecutionId: parent, startedTime } = execution
  output.result(execution, () => [
    `execution  ${execution.executionId}`,
    `state      ${stateText(execution).trimEnd()}`,
    `program    ${printable(execution.program)}`,
    `arguments  ${printable(JSON.stringify(execution.argv))}`,
    `caller     uid ${execution.callerUid}${parent === '' ? '' : `, execution ${parent}`}`,
    `runs as    uid ${execution.uid}${execution.pid === 0 ? '' : `, pid ${execution.pid}`}, epoch ${execution.epoch}`,
    `artifact   ${execution.artifactDigest} by ${printable(execution.issuer)}`,
    `permitted  ${execution.permittedTime}, entry ${execution.decisionIndex} of the lineage`,
    `started    ${startedTime === '' ? 'not yet' : startedTime}`,
    ...(end === null
      ? []
      : [
          `ended      ${end.time}: ${printable(endText(end))}`,
          `used       ${seconds(end.userUs)} s user, ${seconds(end.systemUs)} s system, ${end.memoryPeakBytes} bytes at most`,
        ]),
  ])
}

const seconds = (us: string) => (Number(us) / 1e6).toFixed(3)
