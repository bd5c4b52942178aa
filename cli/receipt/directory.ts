import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { LineageError, type LogFiles, readBlob } from '../../lineage/index.ts'
import type { ReceiptHost, ReceiptLog } from '../../receipt/index.ts'
import { CliError } from '../error.ts'
import { readDocument } from '../files.ts'
import { readPublicIdentity } from '../host.ts'
import { STATE } from '../state-directory.ts'
import { readBundleHost } from '../verify/bundle.ts'
import { IDENTITY_PATH } from '../verify/host-identity.ts'

/** The files of a log as the source of a receipt: an export, or the directory of a daemon, which need not run. */
export function filesLog(files: LogFiles): ReceiptLog {
  return {
    size: BigInt(files.size),
    entry: index => files.entry(Number(index)),
    readEntries: async (from, to) => {
      const run: { index: bigint; bytes: Buffer }[] = []
      for await (const { index, bytes } of files.entries(
        Number(from),
        Number(to < from + RUN ? to : from + RUN),
      ))
        run.push({ index: BigInt(index), bytes })
      return run
    },
    inclusionProof: (index, size) => files.inclusionProof(Number(index), Number(size)),
    consistencyProof: (size1, size2) => files.consistencyProof(Number(size1), Number(size2)),
    blob: digest =>
      readBlob(files.directory, digest).catch(error => {
        if (error instanceof LineageError && error.code === 'BLOB_ABSENT') return null
        throw error
      }),
  }
}
const RUN = 1024n

/** What an exported bundle, or a state directory, has of its host. @throws CliError when it has nothing */
export async function directoryHost(directory: string): Promise<ReceiptHost> {
  if (existsSync(join(directory, IDENTITY_PATH))) {
    const { identity, identityFault, akCertificate } = await readBundleHost(directory)
    if (identity !== null) return { ...identity, akCertificate }
    throw new CliError('FILE_MALFORMED', `${IDENTITY_PATH} cannot be read: ${identityFault}`, {
      at: directory,
    })
  }
  if (!existsSync(join(directory, STATE.identity))) {
    throw new CliError('FILE_MISSING', `${directory} says nothing of the host whose log it is`, {
      at: directory,
      next: 'Name an exported bundle, or a state directory.',
    })
  }
  const { akPublicArea, ekCertificate, ekIntermediates } = await readPublicIdentity(directory)
  const akCertificate = await readDocument(join(directory, STATE.akCertificate), 'the AK certificate').catch(
    error => {
      if (error instanceof CliError && error.code === 'FILE_MISSING') return null
      throw error
    },
  )
  return { akPublicArea, akCertificate, ekCertificate, ekIntermediates }
}
