import type { Command } from 'commander'
import { AuthorizationError } from '../../../authorization/index.ts'
import { LineageError } from '../../../lineage/index.ts'
import {
  collectEntries,
  encodeReceipt,
  findPermit,
  makeReceipt,
  ReceiptError,
} from '../../../receipt/index.ts'
import { addCommand, addNote, setAction } from '../../command.ts'
import { CliError } from '../../error.ts'
import { readExecutionId } from '../../execution-id.ts'
import { openLogFiles } from '../../lineage/proof-source.ts'
import { directoryHost, filesLog } from '../../receipt/directory.ts'
import { SAVED_RECEIPT, writeReceipt } from '../../receipt/save.ts'

interface Options {
  directory: string
  out?: string
}

export function addReceiptMake(parent: Command): void {
  const command = addCommand(
    parent,
    'make <id>',
    'Make a receipt from files, without a daemon: from an exported bundle, or from a state directory.',
    'writ receipt make 5d0c1f2a9b3e4d5c6f7081928394a5b6 --directory bundle/ --out job.receipt.json',
    SAVED_RECEIPT,
  )
    .requiredOption(
      '--directory <bundle|directory>',
      'an exported bundle, or a daemon\u2019s state directory',
    )
    .option('--out <file>', 'where it is written; nothing is overwritten (default: ID.receipt.json)')
  addNote(
    command,
    'Its statement has no signature; everything in it is made anew from the entries by whoever verifies. It covers what the newest checkpoint\n' +
      'covers. Nothing is verified here: `writ receipt verify` does that.',
  )
  setAction<Options>(command, async ({ args, options, output }) => {
    const executionId = readExecutionId(args[0] ?? '')
    const { directory, out = `${executionId}.receipt.json` } = options
    const files = await openLogFiles(directory)
    const host = await directoryHost(directory)
    try {
      const log = filesLog(files)
      const entries = await collectEntries(log, executionId, await findPermit(log, executionId))
      const checkpoint = { note: files.note, size: BigInt(files.size) }
      const receipt = await makeReceipt(log, { entries, checkpoint, host, logKey: null, grounds: true })
      const saved = await writeReceipt(encodeReceipt(receipt), receipt, out)
      output.result({ ...saved }, () => [`${out}  ${saved.entries} entries, ${saved.bytes} bytes`])
      return undefined
    } catch (cause) {
      throw explained(cause, directory)
    }
  })
}

/** What of the log keeps it from being made. */
function explained(cause: unknown, directory: string): unknown {
  if (cause instanceof CliError) return cause
  if (
    !(cause instanceof ReceiptError || cause instanceof LineageError || cause instanceof AuthorizationError)
  )
    return cause
  return new CliError('REQUEST_FAILED', `no receipt: ${cause.message} [${cause.code}]`, {
    at: directory,
    cause,
    next: '`writ lineage tree` shows the executions of a log.',
  })
}
