import { execFile } from 'node:child_process'
import { type FileHandle, open, stat } from 'node:fs/promises'
import { promisify } from 'node:util'
import { readElf } from './elf.ts'

/** The loader, and the libraries that it would load, by the paths at which it opens them. */
export interface SharedLibraries {
  readonly loader: string | null
  readonly libraries: readonly string[]
  /** What could not be found or found out, in words. */
  readonly unknown: readonly string[]
}

const NONE: SharedLibraries = { loader: null, libraries: [], unknown: [] }
/** A line of `ld.so --list` (ld.so(8)): `libc.so.6 => /lib/…/libc.so.6 (0x…)`, or a path alone. */
const LISTED = /^\s+(?:(\S.*?) => )?(\/.*) \(0x[0-9a-f]+\)$/
const NOT_FOUND = /^\s+(\S.*?) => not found$/
const LIST_TIMEOUT_MS = 10_000

/**
 * The libraries of a dynamic program, as its own loader finds them: libraries that it names, theirs, and so on. No code of the program runs:
 * the loader is asked for a list (`--list`), and only a loader that is root's is asked. What a program loads later (`dlopen`) is not among them.
 *
 * @param libraryPath what its environment will have as `LD_LIBRARY_PATH`
 */
export async function sharedLibraries(
  program: string,
  libraryPath: string | undefined,
): Promise<SharedLibraries> {
  const loader = await loaderOf(program)
  if (loader === null) return NONE
  const refused = await whyNotTrusted(loader)
  if (refused !== null) return { ...NONE, loader, unknown: [refused] }
  try {
    const { stdout } = await promisify(execFile)(loader, ['--list', program], {
      env: libraryPath === undefined ? {} : { LD_LIBRARY_PATH: libraryPath },
      timeout: LIST_TIMEOUT_MS,
      maxBuffer: 1 << 20,
    })
    return { loader, ...parseList(stdout) }
  } catch {
    return { ...NONE, loader, unknown: [`${loader} could not list the libraries of ${program}`] }
  }
}

/** Reads what `ld.so --list` prints. */
export function parseList(text: string): Pick<SharedLibraries, 'libraries' | 'unknown'> {
  const libraries = new Set<string>()
  const unknown: string[] = []
  for (const line of text.split('\n')) {
    const path = LISTED.exec(line)?.[2]
    if (path !== undefined) libraries.add(path)
    const missing = NOT_FOUND.exec(line)?.[1]
    if (missing !== undefined) unknown.push(`the library ${missing} is not found`)
  }
  return { libraries: [...libraries], unknown }
}

async function loaderOf(program: string): Promise<string | null> {
  let file: FileHandle | undefined
  try {
    file = await open(program)
    const handle = file
    const elf = await readElf(async (offset, length) => {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, offset)
      return buffer.subarray(0, bytesRead)
    })
    return elf?.loader ?? null
  } catch {
    // What cannot be read is reported where it is hashed.
    return null
  } finally {
    await file?.close()
  }
}

/** The program names its loader, and whoever wrote the program could name anything. */
async function whyNotTrusted(loader: string): Promise<string | null> {
  if (!loader.startsWith('/')) return `its loader ${loader} is no absolute path`
  try {
    const { uid, mode } = await stat(loader)
    return uid === 0 && (mode & 0o022) === 0
      ? null
      : `its loader ${loader} is not root's alone and was not asked`
  } catch {
    return `its loader ${loader} is not there`
  }
}
