import type { Dirent } from 'node:fs'
import { lstat, readdir, readFile, readlink } from 'node:fs/promises'
import { dirname, join, posix } from 'node:path'

/** dpkg's database, below the root of the file system (dpkg(1), FILES). */
const DATABASE = 'var/lib/dpkg'
/** Where kernels look for modules; those that were built here (DKMS) belong to no package. */
const MODULES = '/lib/modules'
const MODULE = /\.ko(?:\.gz|\.xz|\.zst)?$/
/** MAXSYMLINKS (Linux). */
const MAX_LINKS = 40

/**
 * The paths of all files that dpkg's packages installed, and of all kernel modules. Directories are followed as the system would follow them
 * within that root, so that `/bin/sh` of a package is `/usr/bin/sh` where `/bin` leads to `/usr/bin`; the file itself is not.
 *
 * @param root the file system's root, absolute
 * @returns absolute paths within the root, which may be no files (any more)
 * @throws Error of the system when there is no database
 */
export async function installedPaths(root: string): Promise<string[]> {
  const directories = new DirectoryResolver(root)
  const found = new Set<string>()
  const add = async (path: string): Promise<void> => {
    // A line is a path; what is not one is not from dpkg.
    if (!path.startsWith('/') || path === '/.') return
    const directory = await directories.resolve(dirname(path))
    if (directory !== null) found.add(posix.join(directory, posix.basename(path)))
  }
  const database = join(root, DATABASE, 'info')
  for (const name of await readdir(database)) {
    if (!name.endsWith('.list')) continue
    for (const path of lines(await readFile(join(database, name), 'utf8'))) await add(path)
  }
  for (const path of await divertedPaths(root)) await add(path)
  for (const path of await modules(root, await directories.resolve(MODULES))) found.add(path)
  return [...found]
}

function lines(text: string): string[] {
  return text.split('\n').filter(line => line !== '')
}

/** Where files went that give way to another package's (dpkg-divert(1)): from, to, and for whom, in three lines. */
async function divertedPaths(root: string): Promise<string[]> {
  const file = await readFile(join(root, DATABASE, 'diversions'), 'utf8').catch(() => '')
  return lines(file).filter((_, i) => i % 3 === 1)
}

async function modules(root: string, top: string | null): Promise<string[]> {
  if (top === null) return []
  const found: string[] = []
  const pending = [top]
  for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
    const entries: Dirent[] = await readdir(join(root, directory), { withFileTypes: true }).catch(() => [])
    for (const entry of entries) {
      const path = posix.join(directory, entry.name)
      if (entry.isDirectory()) pending.push(path)
      else if (entry.isFile() && MODULE.test(entry.name)) found.push(path)
    }
  }
  return found
}

/** Follows directories within a root that need not be this system's: an absolute link leads to the root again, and none out of it. */
class DirectoryResolver {
  readonly #root: string
  readonly #known = new Map<string, string | null>([['/', '/']])

  constructor(root: string) {
    this.#root = root
  }

  /** The same directory without links on the way; null when there is none. */
  async resolve(path: string, links = 0): Promise<string | null> {
    const normal = posix.resolve('/', path)
    const known = this.#known.get(normal)
    if (known !== undefined) return known
    const found = await this.#follow(normal, links)
    this.#known.set(normal, found)
    return found
  }

  async #follow(path: string, links: number): Promise<string | null> {
    const parent = await this.resolve(dirname(path), links)
    if (parent === null || links > MAX_LINKS) return null
    const place = posix.join(parent, posix.basename(path))
    try {
      const info = await lstat(join(this.#root, place))
      if (info.isDirectory()) return place
      if (!info.isSymbolicLink()) return null
      return await this.resolve(posix.resolve(parent, await readlink(join(this.#root, place))), links + 1)
    } catch {
      return null
    }
  }
}
