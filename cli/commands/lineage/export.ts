import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Command } from 'commander'
import { exportLog, LineageError } from '../../../lineage/index.ts'
import { api } from '../../../proto/client.ts'
import { addCommand, setAction } from '../../command.ts'
import { CliError } from '../../error.ts'
import { readDocument, systemReason, writeDocument } from '../../files.ts'
import { readPublicIdentity } from '../../host.ts'
import { entryIndex } from '../../lineage/entries.ts'
import { checkpointOfSize, directorySource } from '../../lineage/proof-source.ts'
import { addSocketOption, type SocketOptions, withDaemon } from '../../rpc/daemon.ts'
import { DEFAULT_STATE_DIRECTORY, statePath } from '../../state-directory.ts'
import { isBundle, LINEAGE_PATH } from '../../verify/bundle.ts'
import { AK_CERTIFICATE_PATH, encodeHostIdentity, IDENTITY_PATH } from '../../verify/host-identity.ts'

interface Options extends SocketOptions {
  stateDir: string
  sign: boolean
  onto?: boolean
  size?: number
  checkpoint?: string
}

export function addLineageExport(parent: Command): void {
  const command = addCommand(
    parent,
    'export <directory>',
    'Copy the log, its evidence and the host’s certificates for somebody who verifies them elsewhere.',
    `writ lineage export bundle/
     writ lineage export --onto bundle/`,
    {
      directory: 'text',
      size: 'number: entries',
      root: 'hex',
      files: 'number: that were written',
      before: 'number: entries that an earlier export had already',
      dropped: 'number: blobs that the log says are not kept any longer',
      akCertificate: 'boolean: whether the operator has certified the host',
    },
  )
    .option('--state-dir <directory>', "the daemon's state directory", DEFAULT_STATE_DIRECTORY)
    .option('--no-sign', 'take the newest checkpoint as it is, without asking the daemon for a fresh one')
    .option(
      '--onto',
      'bring an earlier export up to date: the log has to go on from it, and only what is new is copied',
    )
    .option(
      '--size <n>',
      'what the log was at this size, whose checkpoint it keeps (default: the newest)',
      entryIndex,
    )
    .option('--checkpoint <file>', 'what this checkpoint of the log stands for')
  addSocketOption(command)
  setAction<Options>(command, async ({ args, options, output }) => {
    const [target = ''] = args
    const { onto = false, size, checkpoint } = options
    if (size !== undefined && checkpoint !== undefined)
      throw new CliError('USAGE', 'give --size or --checkpoint, not both')
    if (options.sign && size === undefined && checkpoint === undefined) {
      await withDaemon(options, daemon => daemon.call(api.lineage.GetCheckpoint, { fresh: true }))
    }
    const log = statePath(options.stateDir, 'lineage')
    const head = await headOf(log, options)
    if (!onto) await prepare(target)
    else if (!isBundle(target))
      throw new CliError('FILE_MISSING', `${target} is no earlier export`, { at: target })
    const identity = await readPublicIdentity(options.stateDir)
    const exported = await exportLog(log, join(target, LINEAGE_PATH), {
      onto,
      ...(head === undefined ? {} : { checkpoint: head }),
    }).catch(explain)
    await writeDocument(join(target, IDENTITY_PATH), encodeHostIdentity(identity), { replace: onto })
    const certificate = await readDocument(
      statePath(options.stateDir, 'akCertificate'),
      'the AK certificate',
    ).catch(error => {
      if (error instanceof CliError && error.code === 'FILE_MISSING') return null
      throw error
    })
    if (certificate !== null)
      await writeDocument(join(target, AK_CERTIFICATE_PATH), certificate, { replace: onto })
    const { size: entries, root, files, dropped, before } = exported
    output.result(
      { directory: target, size: entries, root, files, before, dropped, akCertificate: certificate !== null },
      () => [
        `${target}  ${entries} entries${before > 0 ? `, ${before} of them there before` : ''}, ${files} files, root ${root.toString('hex')}`,
        ...(dropped === 0
          ? []
          : [`${dropped} blobs are not kept any longer; entries still name them by digest`]),
        ...(certificate === null
          ? ['without a certificate of the attestation key: see writ key enroll']
          : []),
      ],
    )
    return undefined
  })
}

/** The checkpoint that was asked for; undefined for the newest. */
async function headOf(log: string, { size, checkpoint }: Options): Promise<Buffer | undefined> {
  if (checkpoint !== undefined) return readDocument(checkpoint, 'a checkpoint')
  return size === undefined ? undefined : checkpointOfSize(await directorySource(log), size)
}

async function prepare(target: string): Promise<void> {
  try {
    await mkdir(target, { recursive: true })
    if ((await readdir(target)).length === 0) {
      await mkdir(join(target, 'host'))
      return
    }
  } catch (cause) {
    throw new CliError('FILE_UNWRITABLE', `cannot make ${target}: ${systemReason(cause)}`, {
      at: target,
      cause,
    })
  }
  throw new CliError('FILE_EXISTS', `${target} is not empty, and nothing is overwritten`, { at: target })
}

function explain(cause: unknown): never {
  if (!(cause instanceof LineageError)) throw cause
  throw new CliError('REQUEST_FAILED', `the lineage cannot be exported: ${cause.message} [${cause.code}]`, {
    at: cause.at,
    cause,
    next: 'Is --state-dir the daemon’s, and may you read it?',
  })
}
