import { join } from 'node:path'
import { tier } from '../../attestation/index.ts'
import {
  CompactRange,
  encodeEvent,
  inlineBlob,
  LineageError,
  leafHash,
  proveInclusion,
  readBlob,
  verifyLog,
} from '../../lineage/index.ts'
import { LINEAGE_PATH, readBundleHost } from '../verify/bundle.ts'
import { checkIdentity } from '../verify/identity.ts'
import type { LogEntry } from '../verify/steps.ts'
import { EARLIER, type VerifyTrust } from '../verify/verify.ts'
import { type OpenedSource, type RequestSource, Unseen } from './source.ts'

/**
 * Opens an exported bundle: who the host is, and the log as a whole, as `writ verify` checks them.
 *
 * @param directory controlled by whoever made the bundle
 * @throws CliError only when there is no such directory
 */
export async function openBundle(directory: string, trust: VerifyTrust): Promise<OpenedSource> {
  const path = join(directory, LINEAGE_PATH)
  const log: LogEntry[] = []
  const identity = await checkIdentity(await readBundleHost(directory), trust)
  const { ak } = identity
  const {
    results,
    checkpoint = null,
    dropped,
  } = await verifyLog(
    path,
    {
      earlier: trust.earlier,
      everyCheckpoint: trust.everyCheckpoint ?? false,
      ...(ak === null ? {} : { ak }),
    },
    (event, index) => log.push({ index, event }),
  )
  let leaves: Buffer[] | undefined
  const hashed = (size: number) => {
    leaves ??= log.map(({ event }) => leafHash(encodeEvent(event)))
    return leaves.slice(0, size)
  }
  const source: RequestSource = {
    where: 'bundle',
    async *read(from, to = log.length) {
      yield* log.slice(from, to)
    },
    async decisionOf(id) {
      return log.find(({ event }) => event.type === 'decision' && event.executionId === id)?.index ?? null
    },
    blob: async (event, digest) =>
      inlineBlob(event, digest) ??
      readBlob(path, digest).catch(error => {
        const entry = dropped.entryOf(digest)
        if (!(error instanceof LineageError && error.code === 'BLOB_ABSENT') || entry === undefined)
          throw error
        throw new Unseen(`${digest} is not kept any longer, says entry ${entry}`)
      }),
    checkpoint: async () => checkpoint,
    inclusion: async (index, size) => proveInclusion(hashed(size), index),
    async goesOnFrom({ size, root }) {
      const range = new CompactRange()
      for (const leaf of hashed(size)) range.append(leaf)
      return range.size === size && range.root().equals(root)
    },
  }
  const given = trust.operators.length > 0 || trust.hostId !== null
  return {
    source,
    ak,
    hardware: tier(identity.ek) === 'hardware',
    properties: [
      ...identity.results.map(result => ({ ...result, asked: result.asked && given })),
      ...results.map(({ property, status, detail, file }) => ({
        ...{ property, status, detail },
        // What needs a key is asked for by giving one.
        asked: property === EARLIER ? trust.earlier.length > 0 : given,
        ...(file === undefined ? {} : { file: `${LINEAGE_PATH}/${file}` }),
      })),
    ],
    log: log.length > 0 && log.length === checkpoint?.size ? log : null,
  }
}
