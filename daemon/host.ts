import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type EnrolledAk, readCertificateFile, type Tier, tier, verifyEkChain } from '../attestation/index.ts'
import {
  DeviceTransport,
  type HostIdentity,
  type HostSecrets,
  hostId,
  readIdentity,
  readPublicIdentity,
  type SecretsPlace,
  type SigningKey,
  SwtpmTransport,
  Tpm,
  type TpmTransport,
} from '../attestation/tpm2/index.ts'
import type { StartConfig } from '../configuration/schema.ts'
import { WritError } from '../encoding/error.ts'
import { type PrivateKey, type PublicKey, readPrivateKey, readPublicKey } from '../signing/key.ts'

const LOG_KEY = 'log.key'

export type HostErrorCode = 'FILE_UNREADABLE' | 'LOG_KEY_CHANGED'

/** Something of the host that the daemon needs is missing or is not what `writ init` left. `at` is the file or handle. */
export class HostError extends WritError<HostErrorCode> {}

/** What identifies this host, and the TPM that proves it. */
export interface Host {
  /** The AK's Name in hexadecimal. */
  readonly id: string
  readonly identity: HostIdentity
  readonly secrets: HostSecrets
  readonly ak: EnrolledAk
  readonly signingKey: SigningKey
  readonly akCertificate: Buffer | null
  readonly logKey: PrivateKey
  readonly logKeyPath: string
  readonly governanceKeys: readonly PublicKey[]
  readonly tpm: Tpm
}

/**
 * Reads what `writ init` left and opens the TPM. Touches the TPM not yet.
 *
 * @param watch may look at what goes to the TPM
 * @throws HostError, ProvisionError, SigningError
 */
export async function openHost(
  config: StartConfig,
  watch: (transport: TpmTransport) => TpmTransport = it => it,
): Promise<Host> {
  const directory = join(config.daemon.stateDirectory, 'identity')
  const place = secretsPlace(directory)
  const { identity, secrets } = await readIdentity(directory, place)
  const logKeyPath = join(place.directory, LOG_KEY)
  const name = identity.akName
  const ak = { publicArea: identity.akPublicArea, name }
  const transport =
    config.tpm.transport === 'swtpm'
      ? new SwtpmTransport(config.tpm.path)
      : new DeviceTransport(config.tpm.path)
  return {
    id: hostId(identity),
    identity,
    secrets,
    ak,
    signingKey: { handle: identity.akHandle, name, auth: secrets.akAuth },
    akCertificate: optional(join(directory, 'ak-certificate.der')),
    logKey: readPrivateKey(required(logKeyPath).toString('utf8')),
    logKeyPath,
    governanceKeys: readGovernanceKeys(config),
    tpm: new Tpm(watch(transport)),
  }
}

/**
 * Where the secrets are: with the service manager's credentials (LoadCredential=, systemd.exec(5)) if there are any of ours among them, else
 * beside the identity. Never one here and the other there: a secret that was left behind in the state directory is not taken up again.
 */
function secretsPlace(directory: string): SecretsPlace {
  const credentials = process.env.CREDENTIALS_DIRECTORY
  if (!credentials || !['secrets.json', LOG_KEY].some(name => existsSync(join(credentials, name))))
    return { directory }
  // The files are root's, opened for this user alone by an access control list, whose mask shows as the group's bits (acl(5)).
  return { directory: credentials, exposed: 0o007 }
}

/** The configured governance keys. @throws HostError, SigningError */
export function readGovernanceKeys({ trust }: StartConfig): PublicKey[] {
  return trust.governanceKeys.map(path => readPublicKey(required(path).toString('utf8')))
}

/** Only the host's id, from what `writ init` left; needs no TPM. @throws ProvisionError */
export async function readHostId(config: StartConfig): Promise<string> {
  return hostId(await readPublicIdentity(join(config.daemon.stateDirectory, 'identity')))
}

/** The tier of this host's TPM, derived from its EK certificate and what it says of itself. @throws TpmError */
export async function hostTier(host: Host, config: StartConfig): Promise<Tier> {
  const vendor = await host.tpm.vendor()
  // TPM_PT_MANUFACTURER as the number it is in the TPM: up to four letters, padded with zeros.
  const manufacturer = Buffer.from(vendor.manufacturer.padEnd(4, '\0'), 'latin1').readUInt32BE()
  const { ekCertificate, ekIntermediates } = host.identity
  const roots = {
    hardwareRoots: config.tpm.hardwareRoots.flatMap(path => readCertificateFile(required(path))),
    otherRoots: config.tpm.otherRoots.flatMap(path => readCertificateFile(required(path))),
  }
  if (ekCertificate === null || roots.hardwareRoots.length + roots.otherRoots.length === 0) {
    return tier(null, manufacturer)
  }
  try {
    const ek = verifyEkChain(ekCertificate, { ...roots, intermediates: ekIntermediates, at: new Date() })
    return tier(ek, manufacturer)
  } catch (error) {
    // A chain that does not verify proves nothing about hardware; the artifact says whether that is enough.
    if (error instanceof WritError) return tier(null, manufacturer)
    throw error
  }
}

function required(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (cause) {
    throw new HostError('FILE_UNREADABLE', `${path} cannot be read; has \`writ init\` been run?`, {
      at: path,
      cause,
    })
  }
}

function optional(path: string): Buffer | null {
  try {
    return readFileSync(path)
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return null
    throw new HostError('FILE_UNREADABLE', `${path} cannot be read`, { at: path, cause })
  }
}
