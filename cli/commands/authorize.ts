import type { Command } from 'commander'
import { api } from '../../proto/client.ts'
import { addCommand, addNote, handOn, setAction } from '../command.ts'
import { CliError } from '../error.ts'
import { readDocument, writeDocument } from '../files.ts'
import { addSocketOption, type SocketOptions, withDaemon } from '../rpc/daemon.ts'
import { addWorkloadOptions, readWorkload, type WorkloadOptions, workloadMessage } from '../workload.ts'

interface Options extends SocketOptions, WorkloadOptions {
  artifact?: string
  out?: string
}

export function addAuthorize(program: Command): void {
  const command = addCommand(
    program,
    'authorize <program> [argument...]',
    'Ask the daemon whether a run would be permitted now, or to make an artifact for exactly this run. Nothing runs.',
    `writ authorize --artifact digits.artifact.json -- ./classifier infer weights
     writ authorize --out once.artifact.json -- /usr/bin/id`,
    [
      {
        when: 'with --artifact',
        fields: {
          permitted: 'boolean: true',
          artifactDigest: 'digest',
          notAfter: 'time',
          decisionIndex: 'decimal',
        },
      },
      {
        when: 'with --out',
        fields: { file: 'text', artifactDigest: 'digest', notAfter: 'time', decisionIndex: 'decimal' },
      },
    ],
  )
    .option('--artifact <file>', 'signed authorization artifact; none of its uses is consumed')
    .option('--out <file>', 'where the artifact that the daemon makes is written; nothing is overwritten')
  handOn(command)
  addWorkloadOptions(command)
  addSocketOption(command)
  addNote(
    command,
    'Exit status: 1 denied, with every reason. An artifact that the daemon makes is good for one use on this host, and no longer\n' +
      'than its evidence; whether it makes any is configured, and policy decides.',
  )
  setAction<Options>(command, async ({ args, options, output }) => {
    const [name = '', ...rest] = args
    const { artifact: path, out } = options
    if ((path === undefined) === (out === undefined)) {
      throw new CliError('USAGE', 'give --artifact to ask about one, or --out to have one made', {
        next: 'See writ authorize --help.',
      })
    }
    const artifact = path === undefined ? Buffer.alloc(0) : await readDocument(path, 'the artifact')
    const workload = workloadMessage(readWorkload(name, rest, options))
    return withDaemon(options, async daemon => {
      const answer = await daemon.call(api.execution.Authorize, { artifact, workload })
      const { artifactDigest, notAfter, decisionIndex } = answer
      const decided = { artifactDigest, notAfter, decisionIndex }
      if (out === undefined) {
        output.result({ permitted: true, ...decided }, () => [
          `it would be permitted now, decision ${decisionIndex} of the lineage; nothing is consumed`,
          `until  ${notAfter}`,
          `digest ${artifactDigest}`,
        ])
        return undefined
      }
      await writeDocument(out, answer.artifact, { mode: 0o600 })
      output.result({ file: out, ...decided }, () => [
        `${out}  for one use, until ${notAfter}, decision ${decisionIndex} of the lineage`,
        `digest ${artifactDigest}`,
      ])
      return undefined
    })
  })
}
