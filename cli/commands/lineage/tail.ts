import { setTimeout as sleep } from 'node:timers/promises'
import type { Command } from 'commander'
import { api } from '../../../proto/client.ts'
import { addCommand, setAction } from '../../command.ts'
import { EVENT } from '../../form.ts'
import { entryIndex, type ReadEntry, readEntries } from '../../lineage/entries.ts'
import { eventText } from '../../lineage/line.ts'
import { type Output, styled } from '../../output.ts'
import { addSocketOption, type SocketOptions, withDaemon } from '../../rpc/daemon.ts'
import { readerGone } from '../../streams.ts'

interface Options extends SocketOptions {
  from?: number
  count: number
  follow?: boolean
}

const POLL_MS = 500

export function addLineageTail(parent: Command): void {
  const command = addCommand(
    parent,
    'tail',
    'Show the newest entries, one in a line.',
    `writ lineage tail --follow
     writ lineage tail --from 0 --json`,
    [{ as: 'lines', fields: { index: 'number', event: EVENT } }],
  )
    .option('--from <index>', 'first entry', entryIndex)
    .option('--count <n>', 'how many of the newest, if --from is not given', entryIndex, 20)
    .option('--follow', 'go on with what is appended, until interrupted')
  addSocketOption(command)
  setAction<Options>(command, ({ options, output }) =>
    withDaemon(options, async daemon => {
      const { status } = await daemon.call(api.attestation.GetStatus, {})
      let next = options.from ?? Math.max(0, Number(status?.lineageSize ?? 0) - options.count)
      for (;;) {
        for await (const entry of readEntries(daemon, next)) {
          if (!(await printEntry(entry, output))) return undefined
          next = entry.index + 1
        }
        if (options.follow !== true) return undefined
        await sleep(POLL_MS, undefined, { signal: readerGone }).catch(() => {})
        if (readerGone.aborted) return undefined
      }
    }),
  )
}

function printEntry({ index, event }: ReadEntry, output: Output): Promise<boolean> {
  return output.item({ index, event }, () => [
    `${styled('dim', `#${String(index).padStart(5)}  ${event.time}`)}  ${eventText(event)}`,
  ])
}
