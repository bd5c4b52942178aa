import type { Command } from 'commander'
import { parseConsistencyProof } from '../../../lineage/index.ts'
import { addCommand, addNote, setAction } from '../../command.ts'
import { EXIT } from '../../error.ts'
import { readAs, readDocument } from '../../files.ts'
import { EVENT, PROPERTY } from '../../form.ts'
import { eventText } from '../../lineage/line.ts'
import { addLogTrustOptions, type LogTrustOptions, readLogTrust } from '../../lineage/log-trust.ts'
import { type LogFileResult, verifyLogFile } from '../../lineage/verify-log.ts'
import { printable, styled } from '../../output.ts'
import { allVerified, resultLine } from '../../verify/property.ts'

interface Options extends LogTrustOptions {
  proof?: string
  entry?: string
}

export function addLineageVerify(parent: Command): void {
  const command = addCommand(
    parent,
    'verify <bundle|file>',
    'Check the log alone, offline: an exported bundle, any log in C2SP tiles, a proof, or a checkpoint.',
    `writ lineage verify bundle/ --operator-key operator.pub
     writ lineage verify 12.tlog-proof --identity bundle/host --host 000b…
     writ lineage verify checkpoint --log-key log.vkey --policy witnesses --earlier monday --proof growth`,
    {
      verified: 'boolean',
      kind: 'text: log, entry, growth or checkpoint',
      properties: [PROPERTY],
      'origin|null': 'text',
      'size|null': 'number: entries',
      'root|null': 'hex',
      'hostId|null': 'hex',
      'logKey|null': 'text: name+id+key, for --log-key and for policies, if it is verified',
      'entry|null': { index: 'decimal', 'event|null': EVENT },
    },
  )
  addLogTrustOptions(command)
    .option(
      '--proof <file>',
      'that a checkpoint goes on from --earlier: of `writ lineage prove --consistency`',
    )
    .option('--entry <file>', 'the entry of a proof that does not carry it')
  addNote(
    command,
    'Each property reads VERIFIED, NOT CHECKED or FAILED. The exit status is 0 only if nothing failed and everything that was asked is\n' +
      'VERIFIED. Something has to vouch for the checkpoint: the host’s attestation key (--operator-key or --host), the log’s key, or a policy that\n' +
      'lists the log.\n\n' +
      'This says whether the log is whole and whose it is. Whether what is in it was right (every decision, every appraisal) is said by `writ verify`.',
  )
  setAction<Options>(command, async ({ args, options, output }) => {
    const { proof, entry } = options
    const result = await verifyLogFile(args[0] ?? '', {
      ...(await readLogTrust(options)),
      proof:
        proof === undefined ? undefined : await readAs(proof, 'a consistency proof', parseConsistencyProof),
      entry: entry === undefined ? undefined : await readDocument(entry, 'an entry'),
    })
    const verified = allVerified(result.properties)
    const { kind, properties, hostId, logKey, head, entry: found } = result
    output.result(
      {
        verified,
        kind,
        properties,
        origin: head?.origin ?? null,
        size: head?.size ?? null,
        root: head?.root ?? null,
        hostId,
        logKey,
        entry: found,
      },
      () => [...properties.map(resultLine), '', ...linesOf(result, verified)],
    )
    return verified ? EXIT.done : EXIT.refused
  })
}

function linesOf({ head, entry, logKey }: LogFileResult, verified: boolean): string[] {
  const verdict = verified ? styled(['bold', 'green'], 'verified') : styled(['bold', 'red'], 'not verified')
  return [
    ...(entry?.event ? [`entry ${entry.index}: ${eventText(entry.event)}`] : []),
    ...(logKey === null ? [] : [`log key ${logKey}`]),
    head === undefined ? verdict : `${verdict}: ${printable(head.origin)}, ${head.size} entries`,
  ]
}
