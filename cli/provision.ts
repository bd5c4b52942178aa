import { existsSync } from 'node:fs'
import { lchown, lstat, mkdir, readdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { tier } from '../attestation/index.ts'
import type { HostIdentity, HostSecrets, Tpm } from '../attestation/tpm2/index.ts'
import { ProvisionError, readIdentity } from '../attestation/tpm2/index.ts'
import { hostId, provisionHost } from '../attestation/tpm2/provision/index.ts'
import { Lineage } from '../lineage/index.ts'
import { generateKey, privateKeyToPem } from '../signing/key.ts'
import { prepareCredentials } from './credentials.ts'
import { CliError } from './error.ts'
import { systemReason, writeDocument } from './files.ts'
import {
  credentialsPlace,
  ensureDirectory,
  LOG_KEY,
  type Owner,
  readOwner,
  type StatePlaces,
  statePath,
} from './state-directory.ts'
import { tierLabel } from './tier.ts'
import { type TpmSelection, withTpm } from './tpm.ts'

/** Which host is given an identity, and for whom. */
export interface ProvisionOptions extends TpmSelection, StatePlaces {
  /** The daemon's user: name, UID or UID:GID. */
  user: string
  /** Environment variables with the authValues of hierarchies that have one. */
  ownerAuthEnv?: string
  endorsementAuthEnv?: string
}

/** A host with an identity. */
export interface ProvisionedHost {
  readonly identity: HostIdentity
  /** False if it had its identity already. */
  readonly created: boolean
  readonly madeState: boolean
  readonly id: string
  /** In words, by the maker that the TPM names; a certificate was not looked at. */
  readonly tier: ReturnType<typeof tierLabel>
  readonly owner: Owner
  readonly stateDirectory: string
  /** Where the secrets are, if not in the state directory. */
  readonly credentials: string | null
}

/**
 * Gives this host its identity: attestation key and counter in the TPM, state directory, secrets, the start of the log. Can be repeated, also
 * after it was interrupted; nothing is overwritten.
 *
 * @throws CliError
 */
export async function provisionThisHost(options: ProvisionOptions): Promise<ProvisionedHost> {
  const owner = readOwner(options.user)
  if (owner.uid === 0) {
    throw new CliError('USAGE', 'the daemon does not run as root: --user takes another user', {
      next: 'Make one with `useradd --system`.',
    })
  }
  const stateDirectory = resolve(options.stateDir)
  const credentials = credentialsPlace(options)
  const auths = {
    owner: fromEnvironment(options.ownerAuthEnv),
    endorsement: fromEnvironment(options.endorsementAuthEnv),
  }
  const { identity, created, madeState } = await withTpm(options, async tpm => {
    // Nothing is written for a TPM that does not answer.
    await tpm.vendor()
    const madeState = await ensureDirectory(stateDirectory, owner, 0o750)
    return {
      madeState,
      ...(await provisionInto(tpm, { stateDir: stateDirectory, credentials }, owner, auths)),
    }
  })
  await requireLineage(statePath(stateDirectory, 'lineage'))
  const id = hostId(identity)
  const label = tierLabel(tierByName(identity.vendor.manufacturer))
  return { identity, created, madeState, id, tier: label, owner, stateDirectory, credentials }
}

function fromEnvironment(name: string | undefined): Buffer | undefined {
  if (name === undefined) return undefined
  const value = process.env[name]
  if (value === undefined || value === '')
    throw new CliError('USAGE', `the environment variable ${name} is empty`)
  return Buffer.from(value)
}

/** What kind of TPM it is, by the maker that it names alone: nobody's certificate was looked at. */
export function tierByName(manufacturer: string): ReturnType<typeof tier> {
  return tier(null, manufacturerNumber(manufacturer))
}

/** TPM_PT_MANUFACTURER: four characters, padded with zeros, as a number (TPM 2.0 Part 2, section 6.13). */
function manufacturerNumber(text: string): number {
  const bytes = Buffer.alloc(4)
  bytes.write(text, 'latin1')
  return bytes.readUInt32BE()
}

/**
 * Provisions into a directory that belongs to us until everything is in it, and gives it to the daemon's user last: a
 * run that was interrupted is gone on with, and nobody else can meddle with the directory meanwhile.
 */
async function provisionInto(
  tpm: Tpm,
  { stateDir: state, credentials }: { stateDir: string; credentials: string | null },
  owner: Owner,
  auths: { owner: Buffer | undefined; endorsement: Buffer | undefined },
): Promise<{ identity: HostIdentity; created: boolean }> {
  const dir = statePath(state, 'identity')
  if (credentials !== null) await prepareCredentials(credentials, dir, owner)
  const place = { directory: credentials ?? dir }
  const complete = existsSync(dir) && (await isOwnedBy(dir, owner)) && existsSync(join(dir, 'identity.json'))
  if (!complete) await mkdir(dir, { recursive: true, mode: 0o700 })
  let result: { identity: HostIdentity; created: boolean }
  try {
    result = await provisionHost(tpm, dir, auths, place)
  } catch (cause) {
    throw cause instanceof ProvisionError ? explain(cause, dir) : cause
  }
  if (complete) return { ...result, created: false }
  const logKey = join(place.directory, LOG_KEY)
  if (!existsSync(logKey))
    await writeDocument(logKey, privateKeyToPem(generateKey('ed25519')), { mode: 0o600 })
  const lineage = statePath(state, 'lineage')
  await beginLineage(tpm, lineage, result.identity, (await readIdentity(dir, place)).secrets)
  try {
    await giveAway(lineage, owner)
    await giveAway(dir, owner)
  } catch (cause) {
    throw new CliError('HOST_UNFIT', `cannot give ${dir} to uid ${owner.uid}: ${systemReason(cause)}`, {
      at: dir,
      cause,
      next: 'Run this as root, or as the user that the daemon runs as.',
    })
  }
  return result
}

/**
 * Begins the lineage, bound to the TPM's counter. Only here: a daemon that made one where it finds none would take the deletion of
 * a log for a first start.
 */
async function beginLineage(
  tpm: Tpm,
  directory: string,
  identity: HostIdentity,
  { nvCounterAuth }: HostSecrets,
): Promise<void> {
  const counter = tpm.nvCounter(identity.nvCounterIndex, nvCounterAuth)
  const lineage = await Lineage.open(directory, {
    origin: `writ/${hostId(identity)}`,
    create: true,
    counter,
  })
  await lineage.close()
}

async function requireLineage(directory: string): Promise<void> {
  if (existsSync(directory)) return
  throw new CliError('HOST_UNFIT', `this host has an identity, and its lineage ${directory} is gone`, {
    at: directory,
    next: 'Restore it from a back-up, or move the identity away too to begin a new host.',
  })
}

/** Gives a tree to the daemon's user, the top last. */
async function giveAway(path: string, owner: Owner): Promise<void> {
  if ((await lstat(path)).isDirectory()) {
    for (const name of await readdir(path)) await giveAway(join(path, name), owner)
  }
  await lchown(path, owner.uid, owner.gid)
}

async function isOwnedBy(path: string, owner: Owner): Promise<boolean> {
  const found = await lstat(path)
  return found.isDirectory() && found.uid === owner.uid
}

function explain(cause: ProvisionError, dir: string): CliError {
  const next: Partial<Record<ProvisionError['code'], string>> = {
    TOOL_FAILED: 'Install tpm2-tools; see what it says above.',
    HANDLE_IN_USE:
      'Something else uses that handle of the TPM. Remove it with tpm2-tools if nobody needs it.',
    HIERARCHY_AUTH_NEEDED: `Give it: --${cause.at ?? 'owner'}-auth-env NAME.`,
    TPM_CHANGED: `This is another TPM than the one that ${dir} was made for. Move that directory away to begin anew.`,
    IDENTITY_MALFORMED: `Move ${dir} away to begin anew; the host then has a new id.`,
    IDENTITY_EXPOSED:
      'Whoever read the secrets can attest as this host. Move the directory away to begin anew.',
  }
  return new CliError('HOST_UNFIT', `${cause.message} [${cause.code}]`, {
    at: cause.at ?? dir,
    cause,
    next: next[cause.code],
  })
}
