import type { Command } from 'commander'
import { Option } from 'commander'
import { WritError } from '../../encoding/error.ts'
import type { WritClient } from '../../proto/client.ts'
import type { ExecuteStarted } from '../../proto/generated/writ/v1/ExecuteStarted.ts'
import type { ExecutionEnd } from '../../proto/generated/writ/v1/ExecutionEnd.ts'
import { addCommand, addNote, handOn, setAction } from '../command.ts'
import { CliError } from '../error.ts'
import { readDocument } from '../files.ts'
import { jsonText, type Output, printable, styledError } from '../output.ts'
import { type SavedReceipt, saveReceipt } from '../receipt/save.ts'
import { addSocketOption, type SocketOptions, withDaemon } from '../rpc/daemon.ts'
import { execute } from '../rpc/execute.ts'
import { EXECUTION_END, EXECUTION_START, exitStatusOf, shownEnd, shownStart } from '../rpc/execution.ts'
import { dieOf, signalName } from '../signals.ts'
import { CallersTerminal } from '../terminal.ts'
import { addWorkloadOptions, readWorkload, type WorkloadOptions, workloadMessage } from '../workload.ts'

interface Options extends SocketOptions, WorkloadOptions {
  artifact?: string
  quiet?: boolean
  digestStreams?: boolean
  receipt?: string
}

export function addRun(program: Command): void {
  const command = addCommand(
    program,
    'run <program> [argument...]',
    'Run a program under an artifact. Its input, output, errors and exit status are those of this command.',
    `writ run --artifact digits.artifact.json --file weights -- ./classifier infer weights < digits.txt
     writ run --artifact job.json --env LANG=C --cwd /srv/job -- /usr/bin/sort input.txt
     writ run --artifact job.json --detach -- /usr/bin/sort input.txt`,
    [
      { when: 'with --detach', fields: { started: EXECUTION_START } },
      {
        as: 'stderr',
        fields: {
          started: EXECUTION_START,
          ended: EXECUTION_END,
          exitStatus: 'number',
          'receipt?': 'json: {file, digest, bytes, entries}, or null if there is none; with --receipt',
        },
      },
    ],
  )
    .addOption(new Option('--artifact <file>', 'signed authorization artifact'))
    .option(
      '-t, --terminal',
      'give it a terminal, which is the one that this is started from; where the artifact allows it',
    )
    .option('--detach', 'print the id once it runs, and leave; where the artifact allows it')
    .option('--digest-streams', 'have the digests of its input, output and errors in the lineage')
    .option(
      '--receipt <file>',
      'write the receipt of the execution when it has ended; nothing is overwritten',
    )
    .option('--quiet', 'say nothing of its own while the program runs')
  handOn(command)
  addWorkloadOptions(command)
  addSocketOption(command)
  addNote(
    command,
    'With --detach it has no input, `writ logs` has its output, `writ wait` waits for its end, `writ terminate` ends it. It ends with the daemon at\n' +
      'the latest: nothing outlives that without a lease.\n' +
      'Exit status: the program’s own once it has run; 1 denied or not started; 2 wrong use. If a signal ended the program this command ends by the\n' +
      'same signal; where the signal would leave a core, and when Writ ended the execution, it exits with 128 + N.\n' +
      'SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM and SIGTERM are handed on to the program’s first process. What ends this command\n' +
      'otherwise, SIGKILL for example, ends the execution. A planned restart of writd does not: input, output and signals wait until the next one has\n' +
      'adopted the program, and go on. When a reader of the output has gone, the program finds that out by its next write.\n' +
      'With --json the outcome is one JSON value on standard error, because standard output is the program’s.',
  )
  setAction<Options>(command, async ({ args, options, output }) => {
    const [program = '', ...rest] = args
    const artifact =
      options.artifact === undefined ? Buffer.alloc(0) : await readDocument(options.artifact, 'the artifact')
    const workload = workloadMessage(readWorkload(program, rest, options))
    const start = { artifact, workload, digestStreams: options.digestStreams === true }
    if (options.detach === true && options.terminal === true)
      throw new CliError('USAGE', 'what is detached has no terminal: give --detach or --terminal')
    if (options.detach === true && options.receipt !== undefined)
      throw new CliError(
        'USAGE',
        'what is detached has no receipt yet: `writ receipt get` has it once it has ended',
      )
    return withDaemon(options, async daemon => {
      if (options.detach === true) {
        const shown = shownStart(await daemon.detach(start))
        output.result({ started: shown }, () => [shown.executionId])
        return undefined
      }
      const terminal = options.terminal === true ? new CallersTerminal() : null
      const { started, ended } = await execute(daemon, start, {
        terminal,
        onLostOutput: bytes => {
          const what = bytes === null ? 'output may have been' : `${bytes} bytes of output were`
          output.note(`${styledError('red', 'writ:')} ${what} lost when writd was restarted`)
        },
      })
      const exitStatus = exitStatusOf(ended)
      report(output, options.quiet === true, ended)
      const receipt =
        options.receipt === undefined
          ? undefined
          : await keepReceipt(daemon, started, options.receipt, output)
      if (output.json) {
        const shown = {
          ...{ started: shownStart(started), ended: shownEnd(ended), exitStatus },
          ...(receipt === undefined ? {} : { receipt }),
        }
        process.stderr.write(`${jsonText(shown)}\n`)
      }
      const signal =
        ended.cause === 'END_CAUSE_EXIT' && ended.signal !== undefined && signalName(ended.signal)
      if (signal) await dieOf(signal)
      return exitStatus
    })
  })
}

/** Says why an execution ended when it was not by itself. */
function report(output: Output, quiet: boolean, ended: ExecutionEnd): void {
  const cause = String(ended.cause).replace(/^END_CAUSE_/, '')
  if (quiet || cause === 'EXIT') return
  const time = ended.killMs === undefined ? '' : ` ${Number(ended.killMs).toFixed(1)} ms after the order`
  const dead = ended.confirmedDead ? `all its processes are dead${time}` : 'its end is not confirmed yet'
  const message = ended.message === '' ? '' : `: ${printable(ended.message)}`
  output.note(`${styledError('red', 'writ:')} ended by ${cause}${message}; ${dead}`)
}

/** The exit status is the program's: a receipt that could not be had is missing as a file, and said. */
async function keepReceipt(
  daemon: WritClient,
  { executionId, decisionIndex }: ExecuteStarted,
  file: string,
  output: Output,
): Promise<SavedReceipt | null> {
  try {
    return await saveReceipt(daemon, executionId, decisionIndex, file)
  } catch (error) {
    if (!(error instanceof WritError)) throw error
    output.note(`${styledError('red', 'writ:')} no receipt: ${printable(error.message)}`)
    return null
  }
}
