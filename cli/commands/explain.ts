import type { Command } from 'commander'
import { addCommand, addNote, setAction } from '../command.ts'
import { EXIT } from '../error.ts'
import { openBundle } from '../explain/bundle-source.ts'
import { openDaemon } from '../explain/daemon-source.ts'
import { explainRequest } from '../explain/explain.ts'
import { parseTarget } from '../explain/find.ts'
import { EXPLAINED, explainedJson } from '../explain/form.ts'
import { explainedLines } from '../explain/lines.ts'
import { addSocketOption, type SocketOptions, withDaemon } from '../rpc/daemon.ts'
import { allVerified } from '../verify/property.ts'
import { addTrustOptions, readTrust, type TrustOptions } from '../verify/trust.ts'

interface Options extends SocketOptions, TrustOptions {
  bundle?: string
}

export function addExplain(program: Command): void {
  const command = addCommand(
    program,
    'explain <execution-or-decision>',
    'Show one request whole: why, each check, the policies, the evidence, and its entries with their proofs.',
    `writ explain 4f0c…9b --operator-key operator.pub
     writ explain 17 --bundle bundle/ --operator-key operator.pub`,
    EXPLAINED,
  ).option('--bundle <directory>', 'an exported bundle instead of the running daemon')
  addSocketOption(command)
  addTrustOptions(command)
  addNote(
    command,
    'An execution is named by its 32 hexadecimal digits, a decision by its position in the lineage. Without keys of your own\n' +
      'nothing vouches for what the daemon or the bundle says, and the output reads NOT CHECKED. Documents and evidence are\n' +
      'for auditors; other callers see what the entries of their own requests say. The exit status is 1 if something FAILED, or\n' +
      'if what you gave keys for could not be verified.',
  )
  setAction<Options>(command, async ({ args, options, output }) => {
    const target = parseTarget(args[0] ?? '')
    const trust = await readTrust(options)
    const { bundle } = options
    const explained =
      bundle === undefined
        ? await withDaemon(options, async daemon =>
            explainRequest(await openDaemon(daemon, trust), target, trust),
          )
        : await explainRequest(await openBundle(bundle, trust), target, trust)
    const verified = allVerified(explained.properties)
    output.result(explainedJson(explained, !verified), () => explainedLines(explained))
    return verified ? EXIT.done : EXIT.refused
  })
}
