import { open, realpath, stat } from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import type { Authorization, SubjectDigest } from '../../authorization/index.ts'
import { treeOf } from '../tree.ts'
import { digestOf } from './digest.ts'
import { sharedLibraries } from './shared-libraries.ts'

export type Role = Authorization['scope']['files'][number]['role'] | 'program'

/** A file or directory of the closure, as it is now. */
export interface ClosureItem {
  readonly path: string
  readonly role: Role
  /** How it came to be in the closure. */
  readonly why: 'program' | 'first line' | 'named' | 'loader' | 'library'
  /** Of its bytes, or of a directory's manifest. */
  readonly sha256: string
  readonly size: number
}

export interface Closure {
  /** The program first. */
  readonly items: readonly ClosureItem[]
  /** What is likely to belong to it and was not taken, or could not be found out: for a person to decide. */
  readonly hints: readonly string[]
}

export interface ClosureOptions {
  readonly interpreter?: string | undefined
  readonly files?: readonly string[] | undefined
  readonly trees?: readonly string[] | undefined
  /** Whether loader and shared libraries are taken. */
  readonly libraries: boolean
  /** What the environment will have as `LD_LIBRARY_PATH`. */
  readonly libraryPath?: string | undefined
}

/** The interpreter that the first line of a script names (execve(2)), with its argument; null for what is no script. */
async function firstLineOf(path: string): Promise<{ interpreter: string; argument: string } | null> {
  const file = await open(path)
  try {
    // BINPRM_BUF_SIZE of include/uapi/linux/binfmts.h.
    const { buffer, bytesRead } = await file.read(Buffer.alloc(256), 0, 256, 0)
    const line = buffer.subarray(0, bytesRead).toString('latin1')
    const [, interpreter, argument = ''] = /^#![ \t]*([^ \t\n]+)(?:[ \t]+([^\n]*))?/.exec(line) ?? []
    return interpreter === undefined ? null : { interpreter, argument: argument.trim() }
  } finally {
    await file.close()
  }
}

/**
 * Finds and digests what runs when a program is started: the program, the interpreter that its first line names, loader and shared
 * libraries if asked for, and what was named. Each file is taken once, however many paths lead to it.
 *
 * @throws CliError for a file that cannot be read
 */
export async function findClosure(program: string, options: ClosureOptions): Promise<Closure> {
  const hints: string[] = []
  const items = new Items()
  await items.add(program, 'program', 'program')
  const script = options.interpreter === undefined ? await firstLineOf(program) : null
  const interpreter = options.interpreter ?? script?.interpreter
  if (interpreter !== undefined) await items.add(resolve(interpreter), 'interpreter', 'first line')
  if (script !== null && basename(script.interpreter) === 'env') {
    hints.push(
      `the first line asks ${script.interpreter} to look for "${script.argument}": name what it finds with --file`,
    )
  }
  for (const path of options.files ?? []) await items.add(resolve(path), 'other', 'named')
  for (const path of options.trees ?? []) await items.add(resolve(path), 'tree', 'named')
  const started = [program, ...(interpreter === undefined ? [] : [resolve(interpreter)])]
  for (const path of started) {
    const { loader, libraries, unknown } = await sharedLibraries(path, options.libraryPath)
    hints.push(...unknown)
    if (!options.libraries) continue
    if (loader !== null) await items.add(loader, 'other', 'loader')
    for (const library of libraries) await items.add(library, 'other', 'library')
  }
  return { items: items.all, hints }
}

/** Files among the arguments that are not in the closure: most likely they belong to it. */
export async function argumentHints(
  argv: readonly string[],
  items: readonly ClosureItem[],
): Promise<string[]> {
  const hints: string[] = []
  for (const argument of argv) {
    const path = resolve(argument)
    if (argument === '' || items.some(item => item.path === path)) continue
    const found = await stat(path).catch(() => null)
    if (found?.isFile()) hints.push(`the argument ${argument} is a file: --file ${argument} signs its bytes`)
    else if (found?.isDirectory() && path !== '/')
      hints.push(`the argument ${argument} is a directory: --tree ${argument} signs all that is in it`)
  }
  return hints
}

class Items {
  readonly all: ClosureItem[] = []
  readonly #known = new Set<string>()

  async add(path: string, role: Role, why: ClosureItem['why']): Promise<void> {
    // The loader of a program is reached by several names; what was named is taken under the name that was given.
    const real = await realpath(path).catch(() => path)
    if (why !== 'named' && this.#known.has(real)) return
    if (this.all.some(item => item.path === path)) return
    this.#known.add(real)
    const found =
      role === 'tree'
        ? await treeOf(path)
        : { sha256: await digestOf(path, WHAT[why]), size: (await stat(path)).size }
    this.all.push({ path, role, why, ...found })
  }
}

const WHAT: Readonly<Record<ClosureItem['why'], string>> = {
  program: 'the program',
  'first line': 'the interpreter',
  named: 'a file of the closure',
  loader: 'the loader',
  library: 'a shared library',
}

/** Subjects with names of their own, and where in the scope each is. */
export function subjectsOf(items: readonly ClosureItem[]): {
  subjects: SubjectDigest[]
  program: Authorization['scope']['program']
  files: Authorization['scope']['files']
} {
  const names = new Set<string>()
  const named = items.map((item, i) => {
    const subject = names.has(basename(item.path)) ? `${i}-${basename(item.path)}` : basename(item.path)
    names.add(subject)
    return { ...item, subject }
  })
  const [program, ...files] = named
  if (program === undefined) throw new TypeError('a closure has a program')
  return {
    subjects: named.map(({ subject, sha256, role }) => ({
      name: subject,
      sha256,
      ...(role === 'tree' ? { kind: 'tree' as const } : {}),
    })),
    program: { subject: program.subject, path: program.path },
    files: files.flatMap(({ subject, path, role }) => (role === 'program' ? [] : [{ subject, path, role }])),
  }
}
