import { readFileSync } from 'node:fs'
import { RevocationSet } from '../authorization/index.ts'
import { WritError } from '../encoding/error.ts'
import { LineageError } from '../lineage/index.ts'
import type { DaemonParts } from './daemon.ts'
import { HostError } from './host.ts'

/**
 * Puts the documents that the configuration names in force where the lineage knows of none: what was loaded since then is newer, and a file
 * must not take it back.
 *
 * @throws HostError, AuthorizationError, ReferenceError
 */
export async function bootstrapDocuments({
  config,
  governance,
  history,
  lineage,
}: DaemonParts): Promise<void> {
  const { trust, attestation } = config
  // No revocation brings it along, and the records of decisions name it until there is one.
  await lineage.putBlob(RevocationSet.empty.manifest)
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
async function load(path: string, put: (envelope: Buffer) => Promise<unknown>): Promise<void> {
  const envelope = read(path)
  try {
    await put(envelope)
  } catch (error) {
    if (error instanceof WritError && !(error instanceof LineageError))
      error.message = `${path}: ${error.message}`
    throw error
  }
}

function read(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (cause) {
    throw new HostError('FILE_UNREADABLE', `${path} cannot be read`, { at: path, cause })
  }
}
