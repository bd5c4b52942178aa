import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { CHECKOUT } from '../executable/bundle.ts'

/** What package-lock.json says of one place below node_modules (package-lock.json(5), lockfileVersion 3). */
export interface LockedPackage {
  /** Where it is not the one that its place is called after. */
  readonly name?: string
  readonly version: string
  /** Subresource integrity of the archive: `sha512-` and base64. */
  readonly integrity?: string
  readonly resolved?: string
  readonly license?: string
  readonly hasInstallScript?: boolean
  readonly optional?: boolean
  readonly dev?: boolean
  readonly dependencies?: Readonly<Record<string, string>>
}

/** Every package that the lock pins, by its place: `node_modules/…`. Our own entry is left out. */
export function lockedPackages(file = join(CHECKOUT, 'package-lock.json')): Map<string, LockedPackage> {
  const { packages } = JSON.parse(readFileSync(file, 'utf8')) as {
    packages: Record<string, LockedPackage>
  }
  return new Map(Object.entries(packages).filter(([place]) => place !== ''))
}

/** The name of the package at a place: what follows the last `node_modules/`. */
export function nameAt(place: string): string {
  return place.slice(place.lastIndexOf('node_modules/') + 'node_modules/'.length)
}

/** SHA-512 of a package's archive, as lower-case hexadecimal. @throws Error when the lock pins it by nothing as strong */
export function archiveDigest(place: string, { integrity }: LockedPackage): string {
  const digest = /^sha512-([A-Za-z0-9+/]{86}==)$/.exec(integrity ?? '')?.[1]
  if (digest === undefined) throw new Error(`package-lock.json pins ${place} by no SHA-512`)
  return Buffer.from(digest, 'base64').toString('hex')
}

/** The place from which a package at `place` gets a dependency: the nearest above it, as Node looks for it. */
export function resolved(
  packages: ReadonlyMap<string, LockedPackage>,
  place: string,
  name: string,
): string | undefined {
  for (let above = place; ; ) {
    const at = `${above === '' ? '' : `${above}/`}node_modules/${name}`
    if (packages.has(at)) return at
    if (above === '') return undefined
    above = above.slice(0, Math.max(0, above.lastIndexOf('/node_modules/')))
  }
}
