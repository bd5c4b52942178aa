import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Command } from 'commander'
import { exportLog, LineageError } from '../../../lineage/index.ts'
import { api } from '../../../proto/client.ts'
import { addCommand, setAction } from '../../command.ts'
import { CliError } from '../../error.ts'
import { readDocument, systemReason, writeDocument } from '../../files.ts'
import { readPublicIdentity } from '../../host.ts'
import { addSocketOption, type SocketOptions, withDaemon } from '../../rpc/daemon.ts'
import { DEFAULT_STATE_DIRECTORY, statePath } from '../../state-directory.ts'
import { LINEAGE_PATH } from '../../verify/bundle.ts'
import { AK_CERTIFICATE_PATH, encodeHostIdentity, IDENTITY_PATH } from '../../verify/host-identity.ts'

interface Options extends SocketOptions {
  stateDir: string
  sign: boolean
}

export function addLineageExport(parent: Command): void {
  const command = addCommand(
    parent,
    'export <directory>',
    'Copy the log, its evidence and the host’s certificates for somebody who verifies them elsewhere.',
    'writ lineage export bundle/',
    {
      directory: 'text',
      size: 'number: entries',
      root: 'hex',
      files: 'number',
      dropped: 'number: blobs that the log says are not kept any longer',
      akCertificate: 'boolean: whether the operator has certified the host',
    },
  )
    .option('--state-dir <directory>', "the daemon's state directory", DEFAULT_STATE_DIRECTORY)
    .option('--no-sign', 'take the newest checkpoint as it is, without asking the daemon for a fresh one')
  addSocketOption(command)
  setAction<Options>(command, async ({ args, options, output }) => {
    const [target = ''] = args
    if (options.sign) {
      await withDaemon(options, daemon => daemon.call(api.lineage.GetCheckpoint, { fresh: true }))
    }
    await prepare(target)
    const identity = await readPublicIdentity(options.stateDir)
    const exported = await exportLog(
      statePath(options.stateDir, 'lineage'),
      join(target, LINEAGE_PATH),
    ).catch(explain)
    await writeDocument(join(target, IDENTITY_PATH), encodeHostIdentity(identity))
    const certificate = await readDocument(
      statePath(options.stateDir, 'akCertificate'),
      'the AK certificate',
    ).catch(error => {
      if (error instanceof CliError && error.code === 'FILE_MISSING') return null
      throw error
    })
    if (certificate !== null) await writeDocument(join(target, AK_CERTIFICATE_PATH), certificate)
    const { size, root, files, dropped } = exported
    output.result(
      { directory: target, size, root, files, dropped, akCertificate: certificate !== null },
      () => [
        `${target}  ${size} entries, ${files} files, root ${root.toString('hex')}`,
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
