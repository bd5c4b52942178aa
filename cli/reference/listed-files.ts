import type { Command } from 'commander'
import { checkListedPaths, type ReferenceDocument } from '../../attestation/index.ts'
import { CliError } from '../error.ts'
import { type FileSources, type MeasuredFile, measureSources } from '../measured-files.ts'
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
 * @param ownParts whether the daemon's own parts are accepted too, by what is found at their paths; else they are left as they are
 * @throws CliError; ReferenceValuesError `REFERENCE_TOO_LARGE` before anything is hashed
 */
export async function withFiles<T extends Listed>(
  document: T,
  sources: FileSources | null,
  ownParts = false,
): Promise<T> {
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
  const measured = await measureSources(sources, paths =>
    checkListedPaths(paths.filter(path => !apart.has(path))),
  )
  for (const { path, digest } of measured) {
    if (!apart.has(path)) files.set(path, (files.get(path) ?? new Set()).add(digest))
  }
  const listed = Array.from(files, ([path, digests]) => ({ path, digests: [...digests] }))
  return {
    ...document,
    ima: { ...document.ima, files: listed },
    components: ownParts ? withParts(components, measured) : components,
  }
}

/** @throws CliError `HOST_UNFIT` where none of the parts is among the files: whoever asks for them means a new version of them */
function withParts(
  components: Listed['components'],
  measured: readonly MeasuredFile[],
): Listed['components'] {
  if (components === 'any') return components
  const found = new Map(measured.map(({ path, digest }) => [path, digest]))
  if (!components.some(({ path }) => found.has(path)))
    throw new CliError('HOST_UNFIT', "none of the daemon's own parts is among the files", {
      at: '--with-components',
      next: 'Name the unpacked package: --root DIR --files DIR.',
    })
  return components.map(part => {
    const digest = found.get(part.path)
    return digest === undefined ? part : { ...part, digests: [...new Set([...part.digests, digest])] }
  })
}
