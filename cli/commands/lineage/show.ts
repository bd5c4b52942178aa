import type { Command } from 'commander'
import { blobsOf, leafHash } from '../../../lineage/index.ts'
import { addCommand, setAction } from '../../command.ts'
import { CliError } from '../../error.ts'
import { EVENT } from '../../form.ts'
import { entryIndex, readBlobOf, readEntries } from '../../lineage/entries.ts'
import { eventText } from '../../lineage/line.ts'
import { jsonText, printable } from '../../output.ts'
import { addSocketOption, type SocketOptions, withDaemon } from '../../rpc/daemon.ts'

interface Options extends SocketOptions {
  blob?: string
}

export function addLineageShow(parent: Command): void {
  const command = addCommand(
    parent,
    'show <index>',
    'Show one entry with all its fields, or the bytes of something that it names.',
    `writ lineage show 12
     writ lineage show 12 --blob 3f7a…9c > record.json`,
    { index: 'number', leafHash: 'hex', event: EVENT, blobs: ['digest: what the event names'] },
  ).option('--blob <digest>', 'write the bytes of this blob to standard output')
  addSocketOption(command)
  setAction<Options>(command, ({ args, options, output }) =>
    withDaemon(options, async daemon => {
      const index = entryIndex(args[0] ?? '')
      for await (const { bytes, event } of readEntries(daemon, index, index + 1)) {
        const blobs = [...blobsOf(event), ...('inline' in event ? Object.keys(event.inline) : [])]
        if (options.blob !== undefined) {
          if (!blobs.includes(options.blob)) {
            throw new CliError('USAGE', `entry ${index} names no blob ${options.blob}`, {
              next: `It names: ${blobs.join(' ') || 'none'}`,
            })
          }
          process.stdout.write(await readBlobOf(daemon, event, options.blob))
          return undefined
        }
        output.result({ index, leafHash: leafHash(bytes), event, blobs }, () => [
          eventText(event),
          ...jsonText(event, 2).split('\n').map(printable),
          `leaf hash  ${leafHash(bytes).toString('hex')}`,
        ])
        return undefined
      }
      throw new CliError('REQUEST_FAILED', `there is no entry ${index}, or it is not yours to see`)
    }),
  )
}
