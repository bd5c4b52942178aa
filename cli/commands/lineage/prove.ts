import type { Command } from 'commander'
import { leafHash, parseCheckpoint, verifyInclusion } from '../../../lineage/index.ts'
import { api } from '../../../proto/client.ts'
import { addCommand, setAction } from '../../command.ts'
import { CliError } from '../../error.ts'
import { entryIndex, readEntries } from '../../lineage/entries.ts'
import { addSocketOption, type SocketOptions, withDaemon } from '../../rpc/daemon.ts'

export function addLineageProve(parent: Command): void {
  const command = addCommand(
    parent,
    'prove <index>',
    'Get the proof that an entry is in the newest signed tree, and check it. The signature is checked by `writ verify`.',
    'writ lineage prove 12 --json > proof.json',
    {
      origin: 'text',
      index: 'number',
      treeSize: 'number',
      root: 'hex',
      leafHash: 'hex',
      hashes: ['hex'],
      checkpoint: 'text: C2SP signed note',
    },
  )
  addSocketOption(command)
  setAction<SocketOptions>(command, ({ args, options, output }) =>
    withDaemon(options, async daemon => {
      const index = entryIndex(args[0] ?? '')
      const { note } = await daemon.call(api.lineage.GetCheckpoint, { fresh: false })
      const { origin, size, root } = parseCheckpoint(note)
      if (index >= size) {
        throw new CliError(
          'REQUEST_FAILED',
          `the newest checkpoint has ${size} entries, none of them is ${index}`,
          {
            next: 'Wait for the next checkpoint.',
          },
        )
      }
      let leaf: Buffer | undefined
      for await (const { bytes } of readEntries(daemon, index, index + 1)) leaf = leafHash(bytes)
      if (leaf === undefined) throw new CliError('REQUEST_FAILED', `entry ${index} is not yours to see`)
      const { hashes } = await daemon.call(api.lineage.GetInclusionProof, { index, treeSize: size })
      if (
        !verifyInclusion({ leafHash: leaf, index: BigInt(index), size: BigInt(size), proof: hashes, root })
      ) {
        throw new CliError(
          'NOT_VERIFIED',
          `the daemon's proof does not show that entry ${index} is in its tree`,
        )
      }
      output.result(
        { origin, index, treeSize: size, root, leafHash: leaf, hashes, checkpoint: note.toString() },
        () => [
          `entry ${index} is in the tree of ${size} entries of ${origin}`,
          `root       ${root.toString('hex')}`,
          `leaf hash  ${leaf.toString('hex')}`,
          ...hashes.map(hash => `           ${hash.toString('hex')}`),
        ],
      )
      return undefined
    }),
  )
}
