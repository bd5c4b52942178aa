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
} from './host-identity.ts'

const IDENTITY = 'identity.json'
const SECRETS = 'secrets.json'
const MAX_BYTES = 256 << 10

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
): Promise<void> {
  await writeSecrets(dir, secrets)
  await create(dir, IDENTITY, encodeIdentity(identity), 0o644)
}

/** Writes `secrets.json` alone, before anything is made with them. @throws ProvisionError `IDENTITY_EXISTS` */
export async function writeSecrets(dir: string, secrets: HostSecrets): Promise<void> {
  await mkdir(dir, { recursive: true, mode: 0o700 })
  const old = await readSecrets(dir)
  if (old?.akAuth.equals(secrets.akAuth) && old.nvCounterAuth.equals(secrets.nvCounterAuth)) return
  await create(dir, SECRETS, encodeSecrets(secrets), 0o600)
}

/**
 * Reads what {@link writeIdentity} wrote.
 *
 * @throws ProvisionError `IDENTITY_MISSING`, `IDENTITY_MALFORMED`, `IDENTITY_EXPOSED`
 */
export async function readIdentity(dir: string): Promise<{ identity: HostIdentity; secrets: HostSecrets }> {
  const bytes = await read(join(dir, IDENTITY), false)
  const secrets = await readSecrets(dir)
  if (!bytes || !secrets) {
    throw new ProvisionError('IDENTITY_MISSING', `no ${bytes ? SECRETS : IDENTITY} in ${dir}`, { at: dir })
  }
  return { identity: decodeIdentity(bytes), secrets }
}

/** The secrets alone; undefined if there are none. @throws ProvisionError */
export async function readSecrets(dir: string): Promise<HostSecrets | undefined> {
  const bytes = await read(join(dir, SECRETS), true)
  return bytes && decodeSecrets(bytes)
}

async function read(path: string, secret: boolean): Promise<Buffer | undefined> {
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
    if (secret && mode & 0o077) {
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
