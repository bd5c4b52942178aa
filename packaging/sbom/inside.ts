import { readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { SHIPPED_FILES } from '../../encoding/shipped.ts'
import { CHECKOUT } from '../executable/bundle.ts'

/** An npm package of which something is in the executable. */
export interface InsidePackage {
  readonly name: string
  readonly version: string
  /** SPDX identifier or expression, as its author wrote it. */
  readonly license: string
  readonly author: string | null
  readonly directory: string
  /** Its key in package-lock.json: `node_modules/…`. */
  readonly place: string
}

interface Manifest {
  readonly name: string
  readonly version: string
  readonly license?: unknown
  readonly author?: string | { readonly name: string }
}

/**
 * The npm packages inside the executable: those whose code was bundled, and those of which a file is shipped beside code. Each once, in
 * the order of their places.
 *
 * @param list what packaging/executable/build.ts wrote: directories, one on each line
 * @throws Error when one does not say its licence
 */
export function packagesInside(list: string): InsidePackage[] {
  const bundled = readFileSync(list, 'utf8').trim().split('\n')
  const shipped = Object.values(SHIPPED_FILES).filter(path => path.startsWith('node_modules/'))
  const directories = [...bundled, ...shipped.map(path => directoryOf(join(CHECKOUT, path)))]
  const packages = [...new Set(directories)].map(readPackage)
  return packages.toSorted((a, b) => (a.place < b.place ? -1 : 1))
}

/** Reads what an installed package says of itself. @throws Error when it does not say its licence */
export function readPackage(directory: string): InsidePackage {
  const { name, version, license, author } = readManifest(directory)
  if (typeof license !== 'string') throw new Error(`${directory} does not say its licence`)
  return {
    name,
    version,
    license,
    author: (typeof author === 'string' ? author : author?.name) ?? null,
    directory,
    place: relative(CHECKOUT, directory),
  }
}

function readManifest(directory: string): Manifest {
  return JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as Manifest
}

/** The directory of the npm package that a file belongs to. Not the nearest one with a manifest: packages have such within them. */
function directoryOf(path: string): string {
  const directory = /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(path)?.[0]
  if (directory === undefined) throw new Error(`${path} belongs to no package`)
  return directory
}
