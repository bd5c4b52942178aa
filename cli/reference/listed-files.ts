import type { ReferenceDocument } from '../../attestation/index.ts'
import { CliError } from '../error.ts'
import { measureFiles } from '../measured-files.ts'

/** What lists of files are made of: the part of a document that says what IMA may have measured. */
type Listed = Pick<ReferenceDocument, 'ima' | 'components'>

/**
 * Adds the files below directories as they are now: what is installed and may be measured later.
 *
 * @throws CliError
 */
export async function withFiles<T extends Listed>(document: T, directories: readonly string[]): Promise<T> {
  const other = document.ima.files.find(file => file.digests.some(digest => !digest.startsWith('sha256:')))
  if (other !== undefined && directories.length > 0) {
    throw new CliError(
      'HOST_UNFIT',
      `--files lists SHA-256, and IMA here measures otherwise (${other.path})`,
      {
        next: 'Boot with ima_hash=sha256 on the kernel command line.',
      },
    )
  }
  const files = new Map(document.ima.files.map(file => [file.path, new Set(file.digests)]))
  const { components } = document
  // What may change while it is measured stays that, and a component is judged by its own digests alone.
  const apart = new Set([
    ...document.ima.violations,
    ...(components === 'any' ? [] : components.map(({ path }) => path)),
  ])
  for (const directory of directories) {
    for (const { path, digest } of await measureFiles(directory)) {
      if (!apart.has(path)) files.set(path, (files.get(path) ?? new Set()).add(digest))
    }
  }
  const listed = Array.from(files, ([path, digests]) => ({ path, digests: [...digests] }))
  return { ...document, ima: { ...document.ima, files: listed } }
}
