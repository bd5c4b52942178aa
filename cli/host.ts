import {
  type HostIdentity,
  type HostSecrets,
  ProvisionError,
  readIdentity,
} from '../attestation/tpm2/index.ts'
import { CliError } from './error.ts'
import { statePath } from './state-directory.ts'

/**
 * The identity that `writ init` gave this host.
 *
 * @throws CliError
 */
export async function readHostIdentity(
  stateDirectory: string,
): Promise<{ identity: HostIdentity; secrets: HostSecrets }> {
  const dir = statePath(stateDirectory, 'identity')
  try {
    return await readIdentity(dir)
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

/**
 * The public half alone, for those who may not read the secrets.
 *
 * @throws CliError
 */
export async function readPublicIdentity(stateDirectory: string): Promise<HostIdentity> {
  return (await readHostIdentity(stateDirectory)).identity
}
