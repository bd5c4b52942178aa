import type { Command } from 'commander'
import { addCommand, addNote, setAction } from '../../command.ts'
import { readExecutionId } from '../../execution-id.ts'
import { SAVED_RECEIPT, saveReceipt } from '../../receipt/save.ts'
import { addSocketOption, type SocketOptions, withDaemon } from '../../rpc/daemon.ts'
import { wholeNumber } from '../../workload.ts'

interface Options extends SocketOptions {
  out?: string
  decision?: number
}

export function addReceiptGet(parent: Command): void {
  const command = addCommand(
    parent,
    'get <id>',
    'Write the receipt of an execution that has ended: what ran, for whom, under what, where and how it ended, with all that proves it.',
    `writ receipt get 5d0c1f2a9b3e4d5c6f7081928394a5b6 --out job.receipt.json`,
    SAVED_RECEIPT,
  )
    .option('--out <file>', 'where it is written; nothing is overwritten (default: ID.receipt.json)')
    .option(
      '--decision <n>',
      'position of its permit in the lineage, as `writ run --json` tells it; needed for an execution that the daemon does not remember',
      wholeNumber('--decision'),
    )
  addSocketOption(command)
  addNote(
    command,
    'A receipt has the arguments and the environment of the program, as the log has them: look at whom you give it to. That of an auditor has\n' +
      'policy, trust roots and revocations too, so that the decision can be made again from it.',
  )
  setAction<Options>(command, async ({ args, options, output }) => {
    const executionId = readExecutionId(args[0] ?? '')
    const { out = `${executionId}.receipt.json`, decision } = options
    return withDaemon(options, async daemon => {
      const saved = await saveReceipt(
        daemon,
        executionId,
        decision === undefined ? undefined : String(decision),
        out,
      )
      output.result({ ...saved }, () => [`${out}  ${saved.entries} entries, ${saved.bytes} bytes`])
      return undefined
    })
  })
}
