import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { LineageError, LogFiles, parseEvent } from '../../lineage/index.ts'
import { api, CallError, type WritClient } from '../../proto/client.ts'
import { CliError } from '../error.ts'
import { LINEAGE_PATH } from '../verify/bundle.ts'
import { readEntries } from './entries.ts'

/** Where proofs come from: the daemon, or files. What it gives is checked against a checkpoint by whoever asks. */
export interface ProofSource {
  /** The newest checkpoint's bytes; one that covers entry `index`, if that can be had. */
  checkpoint(index?: number): Promise<Buffer>
  /** Entries from `from` on, with their bytes, as far as they may be seen. */
  entries(from: number, to?: number): AsyncIterable<{ readonly index: number; readonly bytes: Buffer }>
  inclusion(index: number, size: number): Promise<readonly Buffer[]>
  consistency(earlier: number, size: number): Promise<readonly Buffer[]>
}

/** Proofs of a running daemon. */
export function daemonSource(daemon: WritClient): ProofSource {
  return {
    async checkpoint(index) {
      const newest = await daemon.call(api.lineage.GetCheckpoint, { fresh: false })
      if (index === undefined || index < Number(newest.size)) return newest.note
      try {
        return (await daemon.call(api.lineage.GetCheckpoint, { fresh: true })).note
      } catch (error) {
        // To have the TPM sign is for auditors; others wait for the next checkpoint.
        if (error instanceof CallError && error.status === 'PERMISSION_DENIED') return newest.note
        throw error
      }
    },
    entries: (from, to) => readEntries(daemon, from, to),
    inclusion: async (index, size) =>
      (await daemon.call(api.lineage.GetInclusionProof, { index, treeSize: size })).hashes,
    consistency: async (earlier, size) =>
      // The empty tree is a beginning of every other, without a proof.
      earlier === 0
        ? []
        : (await daemon.call(api.lineage.GetConsistencyProof, { oldSize: earlier, newSize: size })).hashes,
  }
}

/** Proofs from files: an exported bundle, its `lineage` directory, a state directory, or any log in C2SP tiles. @throws CliError */
export async function directorySource(directory: string): Promise<ProofSource> {
  const files = await openLogFiles(directory)
  return {
    checkpoint: async () => files.note,
    entries: (from, to = files.size) => files.entries(from, Math.min(to, files.size)),
    inclusion: (index, size) => files.inclusionProof(index, size),
    consistency: (earlier, size) => files.consistencyProof(earlier, size),
  }
}

/** The log's own directory: this one, or the `lineage` in it. */
export function logDirectory(directory: string): string {
  const below = join(directory, LINEAGE_PATH)
  return existsSync(join(directory, 'checkpoint')) || !existsSync(below) ? directory : below
}

/** @throws CliError when there is no log */
export async function openLogFiles(directory: string): Promise<LogFiles> {
  try {
    return await LogFiles.open(logDirectory(directory))
  } catch (cause) {
    if (!(cause instanceof LineageError)) throw cause
    throw new CliError('FILE_UNREADABLE', `${directory} is not the directory of a log: ${cause.message}`, {
      at: directory,
      cause,
      next: 'Name an exported bundle, its `lineage` directory, or a directory of C2SP tiles.',
    })
  }
}

/** Which entry of an execution is meant. */
export const ENTRIES_OF_EXECUTIONS = ['decision', 'start', 'end'] as const
export type EntryOfExecution = (typeof ENTRIES_OF_EXECUTIONS)[number]

const TYPES = { decision: 'decision', start: 'execution-start', end: 'execution-end' } as const

/** The position of an execution's entry. @throws CliError `UNKNOWN_ID` */
export async function findEntry(
  source: ProofSource,
  execution: string,
  which: EntryOfExecution,
): Promise<number> {
  for await (const { index, bytes } of source.entries(0)) {
    // Most entries are of others, and reading one strictly takes longer than looking for 32 characters in it.
    if (!bytes.includes(execution)) continue
    const event = parseEvent(bytes)
    if (event.type === TYPES[which] && event.executionId === execution) return index
  }
  throw new CliError(
    'UNKNOWN_ID',
    `there is no ${which} of an execution ${execution}, or it is not yours to see`,
  )
}

/** A checkpoint follows its tree soon; farther on nobody looks for it. */
const LOOKED_AT_FOR_A_CHECKPOINT = 65_536

/** The checkpoint of a tree of exactly this size that the log itself keeps, as an entry. @throws CliError */
export async function checkpointOfSize(source: ProofSource, size: number): Promise<Buffer> {
  let looked = 0
  for await (const { bytes } of source.entries(size)) {
    if (looked++ === LOOKED_AT_FOR_A_CHECKPOINT) break
    if (!bytes.includes('"checkpoint"')) continue
    const event = parseEvent(bytes)
    if (event.type !== 'checkpoint') continue
    if (event.size === size) return Buffer.from(event.note, 'base64')
    if (event.size > size) break
  }
  throw new CliError(
    'REQUEST_FAILED',
    `no checkpoint of exactly ${size} entries is in the log, or it is not yours to see`,
    {
      next: 'Give the checkpoint itself with --checkpoint, or leave --size out for the newest.',
    },
  )
}
