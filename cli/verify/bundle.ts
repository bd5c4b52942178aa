import { existsSync } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { CliError } from '../error.ts'
import { readDocument, systemReason } from '../files.ts'
import {
  AK_CERTIFICATE_PATH,
  type HostIdentityDocument,
  IDENTITY_PATH,
  parseHostIdentity,
} from './host-identity.ts'

/** Below a bundle: the exported log with its evidence. */
export const LINEAGE_PATH = 'lineage'
/** Below a bundle: who the host is. */
export const HOST_PATH = 'host'
const MAX_HOST_FILE = 1 << 20

/** What a bundle has beside the log. Everything in it is controlled by whoever made it. */
export interface BundleHost {
  /** Null, and why, when it cannot be read. */
  readonly identity: HostIdentityDocument | null
  readonly identityFault: string | null
  /** DER; null when the bundle has none. */
  readonly akCertificate: Buffer | null
  /** The first file that does not belong there, or is missing. */
  readonly stray: { readonly path: string; readonly why: string } | null
}

/**
 * Reads the host's part of a bundle and looks for files that do not belong.
 *
 * @throws CliError when there is no such directory
 */
export async function readBundleHost(directory: string): Promise<BundleHost> {
  await checkDirectory(directory)
  const stray = await findStray(directory, '', [HOST_PATH, LINEAGE_PATH], [HOST_PATH, LINEAGE_PATH])
  const host = await readHostDirectory(join(directory, HOST_PATH))
  return stray === null ? host : { ...host, stray }
}

/** Whether a directory is a bundle, rather than the log in one. */
export function isBundle(directory: string): boolean {
  return existsSync(join(directory, HOST_PATH)) && existsSync(join(directory, LINEAGE_PATH))
}

/** Reads the host's part alone, from its own directory. @throws CliError when there is no such directory */
export async function readHostDirectory(directory: string): Promise<BundleHost> {
  const names = [IDENTITY_PATH, AK_CERTIFICATE_PATH].map(path => path.slice(HOST_PATH.length + 1))
  const [identityName = '', certificateName = ''] = names
  const stray = await findStray(directory, HOST_PATH, names, [identityName])
  const read = (name: string) => readDocument(join(directory, name), 'a part of the bundle', MAX_HOST_FILE)
  let identity: HostIdentityDocument | null = null
  let identityFault: string | null = null
  try {
    identity = parseHostIdentity(await read(identityName))
  } catch (error) {
    identityFault = error instanceof Error ? error.message : String(error)
  }
  const akCertificate = await read(certificateName).catch(() => null)
  return { identity, identityFault, akCertificate, stray }
}

async function checkDirectory(directory: string): Promise<void> {
  try {
    if ((await stat(directory)).isDirectory()) return
  } catch (cause) {
    throw new CliError('FILE_MISSING', `cannot open the bundle ${directory}: ${systemReason(cause)}`, {
      at: directory,
      cause,
    })
  }
  throw new CliError('FILE_UNREADABLE', `the bundle ${directory} is not a directory`, { at: directory })
}

/** @param below what the directory is called in a bundle; empty for the bundle itself */
async function findStray(
  directory: string,
  below: string,
  allowed: readonly string[],
  needed: readonly string[],
): Promise<BundleHost['stray']> {
  const inDirectory = below === ''
  const at = (name: string) => (inDirectory ? name : `${below}/${name}`)
  const items = await readdir(directory, { withFileTypes: true }).catch(() => [])
  for (const item of items) {
    if (!allowed.includes(item.name)) return { path: at(item.name), why: 'does not belong to a bundle' }
    if (inDirectory ? !item.isDirectory() : !item.isFile()) {
      return { path: at(item.name), why: inDirectory ? 'is not a directory' : 'is not a regular file' }
    }
  }
  const missing = needed.find(name => !items.some(item => item.name === name))
  return missing === undefined ? null : { path: at(missing), why: 'is missing' }
}
