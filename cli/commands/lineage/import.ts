import { join } from 'node:path'
import type { Command } from 'commander'
import { checkGrowth, LineageError, type StagedImport, stageImport } from '../../../lineage/index.ts'
import { addCommand, addNote, setAction } from '../../command.ts'
import { CliError, EXIT } from '../../error.ts'
import { systemReason } from '../../files.ts'
import { PROPERTY } from '../../form.ts'
import { addLogTrustOptions, type LogTrustOptions, readLogTrust } from '../../lineage/log-trust.ts'
import { logDirectory, openLogFiles } from '../../lineage/proof-source.ts'
import { type LogFileTrust, verifyLogFile } from '../../lineage/verify-log.ts'
import { printable } from '../../output.ts'
import { HOST_PATH, isBundle, LINEAGE_PATH } from '../../verify/bundle.ts'
import { allVerified, type PropertyResult, resultLine } from '../../verify/property.ts'

interface Options extends LogTrustOptions {
  archive: string
}

export function addLineageImport(parent: Command): void {
  const command = addCommand(
    parent,
    'import <directory>',
    'Take an exported log, of any host, into an archive, after verifying it. A fork of what the archive has is refused.',
    `writ lineage import bundle/ --archive /srv/logs --operator-key operator.pub
     writ lineage import tiles/ --archive /srv/logs --log-key log.vkey --policy witnesses`,
    {
      verified: 'boolean',
      imported: 'boolean: whether the archive has more than before',
      properties: [PROPERTY],
      origin: 'text',
      size: 'number: entries that were brought',
      before: 'number: entries that the archive had',
      'directory|null': 'text: where the archive has it',
    },
  ).requiredOption(
    '--archive <directory>',
    'where logs are kept, one directory for each; made if it is not there',
  )
  addLogTrustOptions(command)
  addNote(
    command,
    'The copy is verified as `writ lineage verify` does it, and has to go on from what the archive has of this log. What is kept is the copy that\n' +
      'was verified, read-only, as a bundle that every other command reads. Evidence that a host has dropped since stays in the archive. Nothing of\n' +
      'it comes near a log that a daemon writes. An import that was cut short is done again.',
  )
  setAction<Options>(command, async ({ args, options, output }) => {
    const [source = ''] = args
    const trust = await readLogTrust(options)
    const { origin, size } = await openLogFiles(source)
    const staged = await stage(source, options.archive)
    const before = staged.before?.size ?? 0
    const properties = await judge(source, staged, size, trust).catch(async error => {
      await staged.discard()
      throw error
    })
    const verified = allVerified(properties)
    const imported = verified && size > before
    let directory = staged.before === null ? null : join(staged.before.directory, '..')
    if (imported) directory = await staged.commit()
    else await staged.discard()
    output.result({ verified, imported, properties, origin, size, before, directory }, () => [
      ...properties.map(resultLine),
      '',
      !verified
        ? `refused: ${printable(origin)}${before === 0 ? '' : `; the archive keeps its ${before} entries`}`
        : imported
          ? `${directory}  ${size} entries${before === 0 ? '' : `, ${before} of them there before`}`
          : `nothing new: the archive has ${before} entries of ${printable(origin)}`,
      ...(isForked(properties)
        ? ['Keep both checkpoints: where both signatures hold, they show that the log was forked.']
        : []),
    ])
    return verified ? EXIT.done : EXIT.refused
  })
}

async function stage(source: string, archive: string): Promise<StagedImport> {
  try {
    return await stageImport(
      { log: logDirectory(source), host: isBundle(source) ? join(source, HOST_PATH) : null },
      archive,
    )
  } catch (cause) {
    const reason = cause instanceof LineageError ? `${cause.message} [${cause.code}]` : systemReason(cause)
    throw new CliError('REQUEST_FAILED', `the log cannot be imported: ${reason}`, {
      at: cause instanceof LineageError ? cause.at : source,
      cause,
      next: '`writ lineage verify` says what is wrong with it.',
    })
  }
}

/** What is in the archive counts as seen before: a longer log has to go on from it, and a shorter one to be a beginning of it. */
async function judge(
  source: string,
  { directory, before }: StagedImport,
  size: number,
  trust: LogFileTrust,
): Promise<readonly PropertyResult[]> {
  const copy = isBundle(source) ? directory : join(directory, LINEAGE_PATH)
  const goesOn = before !== null && before.size <= size
  const earlier = goesOn ? [...trust.earlier, before.note] : trust.earlier
  const { properties, head } = await verifyLogFile(copy, { ...trust, earlier })
  if (before === null || goesOn || head === undefined) return properties
  const hashes = await before.consistencyProof(size)
  const found = checkGrowth(before, head, { oldSize: size, hashes, checkpoint: before.note })
  return [...properties, { ...found, asked: true }]
}

function isForked(properties: readonly PropertyResult[]): boolean {
  return properties.some(({ property, status }) => property.startsWith('consistency') && status === 'FAILED')
}
