import { readFileSync } from 'node:fs'
import { RevocationSet } from '../authorization/index.ts'
import { WritError } from '../encoding/error.ts'
import { LineageError } from '../lineage/index.ts'
import { HostError } from './host.ts'
import type { DaemonParts } from './parts.ts'

/** Of a file that is older than what the lineage knows, or has another content under the same number. */
const OLDER: ReadonlySet<string> = new Set([
  'ROLLED_BACK',
  'REFERENCE_ROLLED_BACK',
  'REFERENCE_REVISION_REUSED',
])

/**
 * Puts the documents that the configuration names in force where the lineage knows of none: what was loaded since then is newer, and a file
 * must not take it back. One that is older stays out of force, and so nothing is permitted until a newer one is loaded: an operator who accepted a
 * lineage that was put back or begun anew, which voids what permits, has to be able to.
 *
 * @throws HostError, AuthorizationError, ReferenceError
 */
export async function bootstrapDocuments({
  config,
  governance,
  history,
  lineage,
  log,
}: DaemonParts): Promise<void> {
  const { trust, attestation } = config
  // No revocation brings it along, and the records of decisions name it until there is one.
  await lineage.putBlob(RevocationSet.empty.manifest)
  const load = (path: string, put: (envelope: Buffer) => Promise<unknown>) =>
    read(path, put).catch((error: unknown) => {
      if (!(error instanceof WritError) || !OLDER.has(error.code)) throw error
      log.error({ event: 'document-refused', code: error.code }, `not in force: ${error.message}`)
    })
  if (trust.trustRoots !== undefined && history.trustRoots === null) {
    await load(trust.trustRoots, envelope => governance.loadTrustRoots(envelope, true))
  }
  if (trust.policyBundle !== undefined && history.policy === null) {
    await load(trust.policyBundle, envelope => governance.loadPolicy(envelope, true))
  }
  if (attestation.referenceValues !== undefined && history.referenceValues === null) {
    await load(attestation.referenceValues, envelope => governance.loadReferenceValues(envelope))
  }
}

/** What is wrong with a document is said with the file that it is in. */
async function read(path: string, put: (envelope: Buffer) => Promise<unknown>): Promise<void> {
  const envelope = bytesOf(path)
  try {
    await put(envelope)
  } catch (error) {
    if (error instanceof WritError && !(error instanceof LineageError))
      error.message = `${path}: ${error.message}`
    throw error
  }
}

function bytesOf(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (cause) {
    throw new HostError('FILE_UNREADABLE', `${path} cannot be read`, { at: path, cause })
  }
}
