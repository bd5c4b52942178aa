import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chown, lstat, mkdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { Command } from 'commander'
import { CliError } from './error.ts'
import { systemReason } from './files.ts'

/** Where the daemon's state directory keeps what `writ init` makes. The daemon reads the same names. */
export const STATE = {
  /** identity.json, secrets.json (attestation/tpm2) unless the secrets are credentials, and the two below. */
  identity: 'identity',
  /** Certificate of the attestation key by the operator, DER. */
  akCertificate: 'identity/ak-certificate.der',
  lineage: 'lineage',
} as const

export const DEFAULT_STATE_DIRECTORY = '/var/lib/writ'

/** Where the package's unit takes the secrets from (LoadCredential=); the package makes it (packaging/tmpfiles.d/writ.conf). */
export const DEFAULT_CREDENTIALS = '/etc/writ/credentials'

/** Ed25519 key of the first signature line of checkpoints, PKCS#8 PEM; beside secrets.json. */
export const LOG_KEY = 'log.key'

/** Of {@link addStateOptions}. */
export interface StatePlaces {
  stateDir: string
  credentials?: string
}

/** Where the identity and its secrets are. */
export function addStateOptions(command: Command): Command {
  return command
    .option('--state-dir <directory>', "the daemon's state directory", DEFAULT_STATE_DIRECTORY)
    .option(
      '--credentials <directory>',
      `where the host's secrets are kept as root's, for the service manager to hand to the daemon; none: in the state directory ` +
        `(default: ${DEFAULT_CREDENTIALS} where the package has made it, else none)`,
    )
}

/** The directory of the secrets; null: they are in the state directory. */
export function credentialsPlace({ stateDir, credentials }: StatePlaces): string | null {
  if (credentials !== undefined) return credentials === 'none' ? null : resolve(credentials)
  return resolve(stateDir) === DEFAULT_STATE_DIRECTORY && existsSync(DEFAULT_CREDENTIALS)
    ? DEFAULT_CREDENTIALS
    : null
}

/** Who a file of the daemon belongs to. */
export interface Owner {
  readonly uid: number
  readonly gid: number
}

/**
 * Reads a user: a name, `UID`, or `UID:GID`.
 *
 * @throws CliError
 */
export function readOwner(text: string): Owner {
  const [, uid, gid] = /^([0-9]{1,10})(?::([0-9]{1,10}))?$/.exec(text) ?? []
  if (uid !== undefined) return { uid: Number(uid), gid: Number(gid ?? uid) }
  if (/^[a-z_][a-z0-9_-]{0,31}$/.test(text)) {
    try {
      const [, , id, group] = execFileSync('getent', ['passwd', text], { encoding: 'utf8' }).split(':')
      return { uid: Number(id), gid: Number(group) }
    } catch {
      // Said below.
    }
  }
  throw new CliError('USAGE', `there is no user ${JSON.stringify(text)}`, {
    next: 'Make it with `useradd --system`, or give UID:GID.',
  })
}

/**
 * Makes a directory with exactly this owner and mode, or accepts one that has them already.
 *
 * @returns whether it was made
 * @throws CliError when it exists and is somebody else's, is a link, or is open to others
 */
export async function ensureDirectory(path: string, owner: Owner, mode: number): Promise<boolean> {
  try {
    await mkdir(path, { mode })
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'EEXIST') {
      await checkDirectory(path, owner, mode)
      return false
    }
    throw new CliError('FILE_UNWRITABLE', `cannot make the directory ${path}: ${systemReason(cause)}`, {
      at: path,
      cause,
    })
  }
  await chown(path, owner.uid, owner.gid)
  return true
}

async function checkDirectory(path: string, owner: Owner, mode: number): Promise<void> {
  const found = await lstat(path)
  const problem = !found.isDirectory()
    ? 'it is not a directory'
    : found.uid !== owner.uid
      ? `it belongs to uid ${found.uid}, not ${owner.uid}`
      : (found.mode & 0o777 & ~mode) !== 0
        ? `its mode is ${(found.mode & 0o777).toString(8)}, ${mode.toString(8)} at most is safe`
        : undefined
  if (problem === undefined) return
  throw new CliError('HOST_UNFIT', `${path} cannot be used: ${problem}`, {
    at: path,
    next: 'Nothing was changed. Correct it, or give another --state-dir.',
  })
}

/** Path of a file of the state directory. */
export function statePath(directory: string, name: keyof typeof STATE): string {
  return join(directory, STATE[name])
}
