import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import {
  generateKey,
  type KeyAlgorithm,
  type PrivateKey,
  privateKeyToPem,
  publicKeyToPem,
} from '../signing/key.ts'
import { CliError } from './error.ts'
import { writeDocument } from './files.ts'

/** The two files of a key. */
export interface KeyFiles {
  readonly private: string
  readonly public: string
}

/** Where the files of a key of this name are. */
export function keyFiles(name: string): KeyFiles {
  return { private: `${name}.key`, public: `${name}.pub` }
}

/**
 * Makes a signing key: NAME.key (private, mode 0600) and NAME.pub. Nothing is overwritten.
 *
 * @param passphrase encrypts the private one; undefined: it is not encrypted
 * @throws CliError
 */
export async function makeKeyFiles(
  name: string,
  algorithm: KeyAlgorithm,
  passphrase: string | undefined,
): Promise<{ readonly key: PrivateKey; readonly files: KeyFiles }> {
  const files = keyFiles(name)
  if (!existsSync(dirname(files.private))) {
    throw new CliError('FILE_MISSING', `there is no directory ${dirname(files.private)}`, {
      at: dirname(files.private),
      next: `Make it first: mkdir -p ${dirname(files.private)}`,
    })
  }
  if (existsSync(files.public)) {
    throw new CliError('FILE_EXISTS', `${files.public} exists and is not overwritten`, { at: files.public })
  }
  const key = generateKey(algorithm)
  await writeDocument(files.private, privateKeyToPem(key, passphrase), { mode: 0o600 })
  await writeDocument(files.public, publicKeyToPem(key.public))
  return { key, files }
}
