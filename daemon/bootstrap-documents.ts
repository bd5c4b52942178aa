import { readFileSync } from 'node:fs'
import { RevocationSet } from '../authorization/index.ts'
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
    await governance.loadTrustRoots(read(trust.trustRoots))
  }
  if (trust.policyBundle !== undefined && history.policy === null) {
    await governance.loadPolicy(read(trust.policyBundle))
  }
  if (attestation.referenceValues !== undefined && history.referenceValues === null) {
    await governance.loadReferenceValues(read(attestation.referenceValues))
  }
}

function read(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (cause) {
    throw new HostError('FILE_UNREADABLE', `${path} cannot be read`, { at: path, cause })
  }
}
