import type { Dirent } from 'node:fs'
import { opendir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { CliError } from '../error.ts'
import { systemReason } from '../files.ts'
import { BundleError } from './error.ts'

/** Most files of a bundle, most levels of directories, most bytes of one file. */
const MAX_FILES = 4_000_000
const MAX_DEPTH = 12
const MAX_FILE_BYTES = 64 << 20

/**
 * The files of a bundle. Everything in it is controlled by whoever made it: names are listed once, only regular files
 * count, links are not followed.
 */
export class BundleFiles {
  readonly directory: string
  /** Paths below the directory, with slashes, of all regular files. */
  readonly paths: ReadonlySet<string>
  /** Paths of what is neither a directory nor a regular file. */
  readonly strange: readonly string[]

  private constructor(directory: string, paths: ReadonlySet<string>, strange: readonly string[]) {
    this.directory = directory
    this.paths = paths
    this.strange = strange
  }

  /** @throws CliError when the directory cannot be read, BundleError when it holds too much */
  static async open(directory: string): Promise<BundleFiles> {
    try {
      if (!(await stat(directory)).isDirectory()) {
        throw new CliError('FILE_UNREADABLE', `${directory} is not a directory`, { at: directory })
      }
    } catch (cause) {
      if (cause instanceof CliError) throw cause
      throw new CliError('FILE_MISSING', `cannot open the bundle ${directory}: ${systemReason(cause)}`, {
        at: directory,
        cause,
      })
    }
    const paths = new Set<string>()
    const strange: string[] = []
    await walk(directory, '', 0, (path, item) => {
      if (item.isFile()) paths.add(path)
      else strange.push(path)
      if (paths.size + strange.length > MAX_FILES) {
        throw new BundleError('BUNDLE_TOO_LARGE', `more than ${MAX_FILES} files`)
      }
    })
    return new BundleFiles(directory, paths, strange)
  }

  has(path: string): boolean {
    return this.paths.has(path)
  }

  /** @throws BundleError `FILE_ABSENT`, `FILE_TOO_LARGE` */
  async read(path: string): Promise<Buffer> {
    if (!this.paths.has(path)) throw new BundleError('FILE_ABSENT', `${path} is missing`, { at: path })
    const full = join(this.directory, path)
    try {
      const { size } = await stat(full)
      if (size > MAX_FILE_BYTES) {
        throw new BundleError('FILE_TOO_LARGE', `${path} has ${size} bytes, at most ${MAX_FILE_BYTES}`, {
          at: path,
        })
      }
      return await readFile(full)
    } catch (cause) {
      if (cause instanceof BundleError) throw cause
      throw new BundleError('FILE_ABSENT', `${path} cannot be read: ${systemReason(cause)}`, {
        at: path,
        cause,
      })
    }
  }
}

async function walk(
  root: string,
  below: string,
  depth: number,
  found: (path: string, item: Dirent) => void,
): Promise<void> {
  if (depth > MAX_DEPTH)
    throw new BundleError('BUNDLE_TOO_LARGE', `more than ${MAX_DEPTH} levels`, { at: below })
  for await (const item of await opendir(join(root, below))) {
    const path = below === '' ? item.name : `${below}/${item.name}`
    if (item.isDirectory()) await walk(root, path, depth + 1, found)
    else found(path, item)
  }
}
