import { constants } from 'node:fs'
import { link, mkdir, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { ProvisionError } from './error.ts'
import {
  decodeIdentity,
  decodeSecrets,
  encodeIdentity,
  encodeSecrets,
  type HostIdentity,
  type HostSecrets,
  secretKeySpki,
} from './host-identity.ts'

const IDENTITY = 'identity.json'
const SECRETS = 'secrets.json'
const MAX_BYTES = 256 << 10

/** Bits of a secret's mode that expose it: anybody's but its owner's. */
const EXPOSED = 0o077

/** Where the secrets are, if not beside the identity. */
export interface SecretsPlace {
  readonly directory: string
  /** Bits of a mode that expose a secret there; by default all but the owner's. */
  readonly exposed?: number
}

/**
 * Writes the host's identity below `dir` (made with mode 0700 if absent): `identity.json` for everybody, `secrets.json`
 * for its owner only. Durable and whole once it returns. Secrets that are there already have to be the same.
 *
 * @throws ProvisionError `IDENTITY_EXISTS`
 */
export async function writeIdentity(
  dir: string,
  identity: HostIdentity,
  secrets: HostSecrets,
  place: SecretsPlace = { directory: dir },
): Promise<void> {
  await writeSecrets(place.directory, secrets)
  await mkdir(dir, { recursive: true, mode: 0o700 })
  await create(dir, IDENTITY, encodeIdentity(identity), 0o644)
}

/** Writes `secrets.json` alone, before anything is made with them. @throws ProvisionError `IDENTITY_EXISTS` */
export async function writeSecrets(dir: string, secrets: HostSecrets): Promise<void> {
  await mkdir(dir, { recursive: true, mode: 0o700 })
  const old = await readSecrets(dir)
  if (old && encodeSecrets(old).equals(encodeSecrets(secrets))) return
  await create(dir, SECRETS, encodeSecrets(secrets), 0o600)
}

/**
 * Reads what {@link writeIdentity} wrote.
 *
 * @throws ProvisionError `IDENTITY_MISSING`, `IDENTITY_MALFORMED`, `IDENTITY_EXPOSED`
 */
export async function readIdentity(
  dir: string,
  place: SecretsPlace = { directory: dir },
): Promise<{ identity: HostIdentity; secrets: HostSecrets }> {
  const identity = await readPublicIdentity(dir)
  const secrets = await readSecrets(place.directory, place.exposed)
  if (!secrets) throw missing(SECRETS, place.directory)
  if (!secretKeySpki(secrets).equals(identity.secretKeySpki))
    throw new ProvisionError(
      'IDENTITY_MALFORMED',
      `the host's secrets file is malformed: its secretKey is not that of ${IDENTITY}`,
      { at: place.directory },
    )
  return { identity, secrets }
}

/** What of it is no secret. @throws ProvisionError `IDENTITY_MISSING`, `IDENTITY_MALFORMED` */
export async function readPublicIdentity(dir: string): Promise<HostIdentity> {
  const bytes = await read(join(dir, IDENTITY), 0)
  if (!bytes) throw missing(IDENTITY, dir)
  return decodeIdentity(bytes)
}

function missing(name: string, dir: string): ProvisionError {
  return new ProvisionError('IDENTITY_MISSING', `no ${name} in ${dir}`, { at: dir })
}

/** The secrets alone; undefined if there are none. @throws ProvisionError */
export async function readSecrets(dir: string, exposed = EXPOSED): Promise<HostSecrets | undefined> {
  const bytes = await read(join(dir, SECRETS), exposed)
  return bytes && decodeSecrets(bytes)
}

/** @param exposed bits of its mode that it must not have */
async function read(path: string, exposed: number): Promise<Buffer | undefined> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW).catch(
    (cause: NodeJS.ErrnoException) => {
      if (cause.code === 'ENOENT') return undefined
      throw new ProvisionError('IDENTITY_MISSING', `cannot read ${path}: ${cause.message}`, {
        at: path,
        cause,
      })
    },
  )
  if (!file) return undefined
  try {
    const { mode, size } = await file.stat()
    if (size > MAX_BYTES)
      throw new ProvisionError('IDENTITY_MALFORMED', `${path} has ${size} bytes`, { at: path })
    if (mode & exposed) {
      const octal = (mode & 0o777).toString(8)
      throw new ProvisionError('IDENTITY_EXPOSED', `${path} has mode ${octal}, 600 is needed`, { at: path })
    }
    return await file.readFile()
  } finally {
    await file.close()
  }
}

/** A file is there as a whole or not at all, and never replaces one: write, fsync, link, fsync of the directory. */
async function create(dir: string, name: string, bytes: Buffer, mode: number): Promise<void> {
  const path = join(dir, name)
  const temporary = `${path}.${process.pid}.tmp`
  try {
    const file = await open(temporary, 'wx', mode)
    try {
      await file.writeFile(bytes)
      await file.chmod(mode)
      await file.sync()
    } finally {
      await file.close()
    }
    await link(temporary, path)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause
    throw new ProvisionError('IDENTITY_EXISTS', `${path} exists and is never overwritten`, {
      at: path,
      cause,
    })
  } finally {
    await rm(temporary, { force: true })
  }
  const directory = await open(dir, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}
