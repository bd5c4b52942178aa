import type { MethodDefinition } from '@grpc/proto-loader'
import type { Command } from 'commander'
import type { WritClient } from '../proto/client.ts'
import { addCommand, setAction } from './command.ts'
import { MAX_DOCUMENT_BYTES, readDocument } from './files.ts'
import { addSocketOption, type SocketOptions, withDaemon } from './rpc/daemon.ts'

/** Options of a command that signs a document with the operator's key. */
export interface SigningOptions {
  key: string
  out: string
}

/** Adds the options that say which key signs and where the result goes. */
export function addSigningOptions(command: Command): Command {
  return command
    .requiredOption('--key <file>', "the operator's private key")
    .requiredOption('--out <file>', 'where the signed document is written; nothing is overwritten')
}

/** What a loaded document is now called. */
interface Loaded {
  digest: string
  lineageIndex: string
}

/** Of a kind of document that is larger than most. */
interface LoadLimits {
  readonly maxBytes?: number
  /** How long the daemon may take, from the first byte that is sent. */
  readonly deadlineMs?: number
}

/**
 * Adds a `load` command: gives a signed document to the daemon, which checks the signature and puts it in force.
 *
 * @param what names the document in the help, for example `a policy bundle`
 */
export function addLoadCommand(
  parent: Command,
  what: string,
  example: string,
  method: MethodDefinition<{ envelope?: Buffer }, object, object, Loaded>,
  { maxBytes = MAX_DOCUMENT_BYTES, deadlineMs }: LoadLimits = {},
): void {
  const command = addCommand(
    parent,
    'load <file>',
    `Put ${what} in force. The daemon takes it only if an operator's key signed it and the configuration allows your uid.`,
    example,
    { digest: 'digest', lineageIndex: 'decimal' },
  )
  addSocketOption(command)
  setAction<SocketOptions>(command, async ({ args, options, output }) => {
    const [path = ''] = args
    const envelope = await readDocument(path, what, maxBytes)
    await withDaemon(options, async (daemon: WritClient) => {
      const { digest, lineageIndex } = await daemon.call(
        method,
        { envelope },
        deadlineMs === undefined ? {} : { deadlineMs },
      )
      output.result({ digest, lineageIndex }, () => [
        `in force, entry ${lineageIndex} of the lineage`,
        `digest ${digest}`,
      ])
    })
    return undefined
  })
}
