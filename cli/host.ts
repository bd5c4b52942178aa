import { existsSync } from 'node:fs'
import { join } from 'node:path'
import {
  type HostIdentity,
  type HostSecrets,
  ProvisionError,
  readIdentity,
  readPublicIdentity as readPublic,
} from '../attestation/tpm2/index.ts'
import { CliError } from './error.ts'
import { credentialsPlace, type StatePlaces, statePath } from './state-directory.ts'

/**
 * The identity that `writ init` gave this host, and its secrets.
 *
 * @throws CliError
 */
export async function readHostIdentity(
  places: StatePlaces,
): Promise<{ identity: HostIdentity; secrets: HostSecrets }> {
  const dir = statePath(places.stateDir, 'identity')
  const credentials = credentialsPlace(places)
  // Of a host that was made before the package, the secrets may still be beside the identity.
  const kept = credentials !== null && existsSync(join(credentials, 'secrets.json'))
  return explained(dir, () => readIdentity(dir, { directory: kept ? credentials : dir }))
}

/**
 * The public half alone, for those who may not read the secrets.
 *
 * @throws CliError
 */
export async function readPublicIdentity(stateDirectory: string): Promise<HostIdentity> {
  const dir = statePath(stateDirectory, 'identity')
  return explained(dir, () => readPublic(dir))
}

async function explained<T>(dir: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (cause) {
    if (!(cause instanceof ProvisionError)) throw cause
    throw new CliError('HOST_UNFIT', `${cause.message} [${cause.code}]`, {
      at: dir,
      cause,
      next:
        cause.code === 'IDENTITY_MISSING'
          ? 'Run `writ init` first, or name its --state-dir; both need root.'
          : undefined,
    })
  }
}
