import type { Command } from 'commander'
import { addCommand, addNote, setAction } from '../command.ts'
import { CliError } from '../error.ts'
import { parseExposition } from '../metrics/exposition.ts'
import { DEFAULT_METRICS, fetchPage } from '../metrics/fetch.ts'

interface Options {
  from: string
}

export function addMetrics(program: Command): void {
  const command = addCommand(
    program,
    'metrics',
    "Show the daemon's metrics, as Prometheus scrapes them.",
    `writ metrics
     writ metrics --from 127.0.0.1:9464 --json`,
    {
      families: [
        {
          name: 'text',
          type: 'text: counter, gauge or histogram',
          help: 'text',
          samples: [{ name: 'text', labels: { '*': 'text' }, value: 'text: a number, NaN or +Inf' }],
        },
      ],
    },
  ).option(
    '--from <place>',
    "where the daemon serves them: a Unix socket's path, or ADDRESS:PORT",
    DEFAULT_METRICS,
  )
  addNote(
    command,
    'The socket is for root and the group writ. What each says, and which alerts there are: docs/operations/monitoring.md.\n' +
      'What to leave out of a file for the textfile collector of the node exporter is said there, too.',
  )
  setAction<Options>(command, async ({ options, output }) => {
    const { status, body } = await fetchPage(options.from, '/metrics')
    if (status !== 200) throw new CliError('REQUEST_FAILED', `${options.from} answers with status ${status}`)
    const families = parseExposition(body)
    output.result({ families }, () => body.replace(/\n$/, '').split('\n'))
    return undefined
  })
}
