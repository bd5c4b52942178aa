import type { Command } from 'commander'
import { api } from '../../proto/client.ts'
import type { OutputGap } from '../../proto/generated/writ/v1/OutputGap.ts'
import { addCommand, addNote, setAction } from '../command.ts'
import { CliError } from '../error.ts'
import { readExecutionId } from '../execution-id.ts'
import type { Output } from '../output.ts'
import { addSocketOption, type SocketOptions, withDaemon } from '../rpc/daemon.ts'
import { readerGone, writeTo } from '../streams.ts'

interface Options extends SocketOptions {
  follow?: boolean
  stdout?: boolean
  stderr?: boolean
}

const STREAMS = ['stdout', 'stderr'] as const
type StreamName = (typeof STREAMS)[number]

export function addLogs(program: Command): void {
  const command = addCommand(
    program,
    'logs <id>',
    'Print the newest output of an execution that runs or has ended: its standard output and its standard error, each to that of this command.',
    `writ logs 5d0c1f2a9b3e4d5c6f7081928394a5b6
     writ logs --follow --stderr 5d0c1f2a9b3e4d5c6f7081928394a5b6
     writ logs 5d0c1f2a9b3e4d5c6f7081928394a5b6 | cat -v`,
    [
      {
        as: 'lines',
        fields: {
          'stream?': 'text: stdout or stderr; absent where output is missing',
          'data?': 'text: the bytes in base64',
          'missing?': { stdout: 'decimal: bytes that are missing here', stderr: 'decimal' },
        },
      },
    ],
  )
    .option('--follow', 'go on with what it writes until it has ended')
    .option('--stdout', 'its standard output alone')
    .option('--stderr', 'its standard error alone')
  addSocketOption(command)
  addNote(
    command,
    'The bytes are the program’s own, as it wrote them: on a terminal they can do what the program could, move the cursor for example.\n' +
      'Of a program that you do not trust, look at them through `cat -v`, or with --json.\n' +
      'The daemon keeps the end of the output in memory (execution.output_tail_bytes), that of a detached execution in files that outlast it\n' +
      '(execution.output_file_bytes); how much is missing is said on standard error.',
  )
  setAction<Options>(command, async ({ args, options, output }) => {
    const executionId = readExecutionId(args[0] ?? '')
    if (options.stdout && options.stderr)
      throw new CliError('USAGE', 'give --stdout or --stderr; without either it is both')
    const wanted = STREAMS.filter(name => !(options.stdout || options.stderr) || options[name])
    return withDaemon(options, async daemon => {
      const request = { executionId, follow: options.follow === true }
      const answers = daemon.read(api.execution.ReadOutput, request, { signal: readerGone })
      try {
        for await (const { gap, stdout, stderr } of answers) {
          if (gap) await printGap(gap, wanted, output)
          for (const [name, bytes] of [['stdout', stdout] as const, ['stderr', stderr] as const])
            if (bytes && wanted.includes(name)) await printBytes(name, Buffer.from(bytes), output)
        }
      } catch (error) {
        // Nobody reads any longer.
        if (!readerGone.aborted) throw error
      }
      return undefined
    })
  })
}

async function printBytes(stream: StreamName, bytes: Buffer, output: Output): Promise<void> {
  if (output.json) await output.item({ stream, data: bytes.toString('base64') }, () => [])
  else await writeTo(process[stream], bytes)
}

async function printGap(
  { stdoutBytes, stderrBytes }: OutputGap,
  wanted: readonly StreamName[],
  output: Output,
): Promise<void> {
  const bytes = { stdout: stdoutBytes, stderr: stderrBytes }
  const missing = wanted.filter(name => bytes[name] !== '0')
  if (missing.length === 0) return
  if (output.json) await output.item({ missing: bytes }, () => [])
  else
    output.note(
      `writ: ${missing.map(name => `${bytes[name]} bytes of ${name}`).join(' and ')} are missing here`,
    )
}
