import type { Command } from 'commander'
import type { ReferenceDocument } from '../../attestation/index.ts'
import { CliError } from '../error.ts'
import { type FileSources, measureSources } from '../measured-files.ts'
import { collect } from '../workload.ts'

/** What lists of files are made of: the part of a document that says what IMA may have measured. */
type Listed = Pick<ReferenceDocument, 'ima' | 'components'>

/** What says which files are listed. */
export interface FileOptions {
  files?: string[]
  packages?: boolean
  root?: string
}

/** Adds the options that {@link fileSources} reads. */
export function addFileOptions(command: Command): void {
  command
    .option(
      '--files <directory>',
      'accept every file below it as it is now, measured already or not, that all may read or somebody execute (repeatable)',
      collect,
    )
    .option(
      '--packages',
      'accept the files of every installed Debian package as they are now, and the kernel modules',
    )
    .option('--root <directory>', 'of --files and --packages: what is / on the host that they are for')
}

/** Where the files are that the options name; null without any. @throws CliError */
export function fileSources({ files, packages, root }: FileOptions): FileSources | null {
  if (files === undefined && packages !== true) {
    if (root === undefined) return null
    throw new CliError('USAGE', '--root is of files: name them with --files or --packages', { at: '--root' })
  }
  return { directories: files ?? [], packages: packages === true, ...(root === undefined ? {} : { root }) }
}

/**
 * Adds files as they are now: what is installed and may be measured later.
 *
 * @throws CliError
 */
export async function withFiles<T extends Listed>(document: T, sources: FileSources | null): Promise<T> {
  const other = document.ima.files.find(file => file.digests.some(digest => !digest.startsWith('sha256:')))
  if (sources === null) return document
  if (other !== undefined) {
    throw new CliError(
      'HOST_UNFIT',
      `a list of files has SHA-256, and IMA here measures otherwise (${other.path})`,
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
  for (const { path, digest } of await measureSources(sources)) {
    if (!apart.has(path)) files.set(path, (files.get(path) ?? new Set()).add(digest))
  }
  const listed = Array.from(files, ([path, digests]) => ({ path, digests: [...digests] }))
  return { ...document, ima: { ...document.ima, files: listed } }
}
