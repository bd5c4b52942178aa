import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import {
  holdsPemCrl,
  MAX_CRL_BYTES,
  parseCertificate,
  parseCrls,
  type RevocationList,
  splitCertificateFile,
} from '../attestation/index.ts'
import { WritError } from '../encoding/error.ts'
import { CliError } from './error.ts'
import { readAs, readDocument, systemReason } from './files.ts'

/** Most files of a folder that are read. */
const MAX_FILES = 8192

/** Certificates and revocation lists of a file or of all files of a folder. */
export interface CertificateFolder {
  readonly certificates: readonly Buffer[]
  readonly lists: readonly RevocationList[]
  /** Files of which nothing could be used. */
  readonly skipped: readonly string[]
}

/**
 * Reads a file of certificates (PEM with any number of them, DER), or every such file of a folder and its folders: what makers of TPMs
 * publish lies about in all forms, so that what is neither certificate nor revocation list is left out and named. What says that it is a
 * revocation list has to be one: left out, it would let pass what it revokes.
 *
 * @throws CliError when there is nothing to use, or a revocation list cannot be read
 */
export async function readCertificateFolder(path: string, what: string): Promise<CertificateFolder> {
  const isFolder = await stat(path).then(
    info => info.isDirectory(),
    () => false,
  )
  const certificates: Buffer[] = []
  const lists: RevocationList[] = []
  const skipped: string[] = []
  for (const file of isFolder ? await filesBelow(path) : [path]) {
    const bytes = await readDocument(file, what, MAX_CRL_BYTES)
    const found = usableCertificates(bytes)
    certificates.push(...found)
    const listed = listsOf(file, bytes, found.length > 0)
    lists.push(...listed)
    if (found.length === 0 && listed.length === 0) skipped.push(file)
  }
  if (certificates.length === 0 && lists.length === 0) {
    throw new CliError('FILE_MALFORMED', `cannot use ${path} as ${what}: it holds no certificate`, {
      at: path,
    })
  }
  return { certificates, lists, skipped }
}

/** Reads the certificate revocation lists of a file. @throws CliError */
export function readCrlFile(path: string): Promise<readonly RevocationList[]> {
  return readAs(path, 'a revocation list', bytes => parseCrls(bytes), MAX_CRL_BYTES)
}

async function filesBelow(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true, recursive: true })
    const named = entries
      .filter(entry => !entry.isDirectory())
      .map(entry => join(entry.parentPath, entry.name))
    // Folders that c_rehash(1) made are full of links to files. One to a folder is not followed: it may lead round in a circle.
    const isFile = async (path: string) => (await stat(path)).isFile()
    const files = []
    for (const path of named) if (await isFile(path)) files.push(path)
    if (files.length > MAX_FILES)
      throw new Error(`it has ${files.length} files, at most ${MAX_FILES} are read`)
    return files.sort()
  } catch (cause) {
    throw new CliError('FILE_UNREADABLE', `cannot read ${folder}: ${systemReason(cause)}`, {
      at: folder,
      cause,
    })
  }
}

function usableCertificates(bytes: Buffer): Buffer[] {
  return splitCertificateFile(bytes).filter(der => attempt(() => parseCertificate(der)) !== null)
}

/** A name that says so: `.crl`, or a hash with `.r0` (c_rehash(1)). */
const LIST_NAME = /\.(?:crl|r[0-9]+)$/i

function listsOf(file: string, bytes: Buffer, hasCertificates: boolean): readonly RevocationList[] {
  if (!holdsPemCrl(bytes) && (hasCertificates || !LIST_NAME.test(file)))
    return hasCertificates ? [] : (attempt(() => parseCrls(bytes)) ?? [])
  try {
    return parseCrls(bytes)
  } catch (cause) {
    if (!(cause instanceof WritError)) throw cause
    throw new CliError('FILE_MALFORMED', `cannot use ${file} as a revocation list: ${cause.message}`, {
      at: file,
      cause,
    })
  }
}

function attempt<T>(read: () => T): T | null {
  try {
    return read()
  } catch (error) {
    if (error instanceof WritError) return null
    throw error
  }
}
