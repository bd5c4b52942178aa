import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Whether there is an strace that can make system calls fail. */
export const hasStrace = spawnSync('strace', ['-V']).status === 0

/** Calls by which the log changes what is on disk, and by which it opens what it reads. */
const CALLS = [
  ...['openat', 'pwrite64', 'fsync', 'fdatasync', 'ftruncate', 'rename', 'renameat', 'renameat2'],
  ...['link', 'linkat', 'unlink', 'unlinkat', 'mkdir', 'mkdirat', 'rmdir'],
]

/** One system call of an undisturbed run. */
export interface Call {
  readonly name: string
  /** The file or directory that it is about. A temporary file has another name each time, and none here. */
  readonly path: string | undefined
  /** Which of its thread's calls of this name (and about this path) it is, from 1: how strace counts. */
  readonly nth: number
  /** The path below the log's directory, without the numbers that differ from one to the next. */
  readonly what: string
}

/** A system call that does not come back as it should. */
export interface Fault {
  readonly call: Call
  /** The process dies in it (it has no effect), or it has no effect and gives this error. */
  readonly effect: 'KILL' | 'EIO' | 'ENOSPC' | 'EROFS'
}

/** What a life said until it ended. */
export interface Life {
  readonly lines: readonly string[]
  /** How it ended; null for a signal. */
  readonly code: number | null
  /** Whether the fault came about. */
  readonly hit: boolean
  readonly trace: string
}

/** Where a life takes place. */
export interface Place {
  readonly directory: string
  readonly keys: string
  readonly counter: string
  readonly trace: string
  /** Where compiled modules are kept, which halves the time of a life. */
  readonly modules: string
}

const LIFE = join(import.meta.dirname, 'life.ts')

/** A place for lives in an empty directory, with keys and a counter of their own. */
export function newPlace(
  base: string,
  directory: string,
  keys: { log: string; ak: string },
  modules: string,
): Place {
  const place = {
    directory,
    keys: join(base, 'keys'),
    counter: join(base, 'counter'),
    trace: join(base, 'trace'),
    modules,
  }
  writeFileSync(place.keys, JSON.stringify(keys))
  writeFileSync(place.counter, '7'.padStart(20, '0'))
  return place
}

/** Lives once. One pool thread, so that the order of the calls is the same each time; no io_uring, which strace does not see. */
export async function live(place: Place, fault?: Fault): Promise<Life> {
  const { directory, keys, counter, trace, modules } = place
  const inject = []
  if (fault !== undefined) {
    const { name, nth, path } = fault.call
    inject.push('-e', `inject=${name}:${effectOf(fault)}:when=${nth}`)
    if (path !== undefined) inject.push('-P', directory + path)
  }
  // Filtered in the kernel it is faster, and a signal does not come.
  if (fault?.effect !== 'KILL') inject.push('--seccomp-bpf')
  const child = spawn(
    'strace',
    [
      ...['-f', '-y', '-q', '-o', trace, '-e', `trace=${CALLS.join(',')}`, ...inject],
      ...[process.execPath, LIFE, directory, keys, counter],
    ],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {
        ...process.env,
        UV_THREADPOOL_SIZE: '1',
        UV_USE_IO_URING: '0',
        NODE_COMPILE_CACHE: modules,
      },
    },
  )
  const timer = setTimeout(() => child.kill('SIGTERM'), 60_000)
  const chunks: Buffer[] = []
  child.stdout.on('data', chunk => chunks.push(chunk))
  const [code] = (await once(child, 'close')) as [number | null]
  clearTimeout(timer)
  const lines = Buffer.concat(chunks).toString().split('\n').slice(0, -1)
  const text = readFileSync(trace, 'utf8')
  // strace ends as what it traced did.
  const hit = fault?.effect === 'KILL' ? code === null : text.includes('(INJECTED)')
  return { lines, code, hit, trace: text }
}

function effectOf({ effect }: Fault): string {
  return effect === 'KILL' ? 'signal=KILL' : `error=${effect}`
}

/** The calls of an undisturbed run that are about the log's directory, in order. */
export function callsIn(trace: string, directory: string): Call[] {
  const counts = new Map<string, number>()
  const calls: Call[] = []
  for (const line of trace.split('\n')) {
    const [, thread, name, rest = ''] = /^(\d+) +(\w+)\((.*)/.exec(line) ?? []
    if (name === undefined) continue
    // Of two paths (rename) the second says what it is for.
    const last = rest.split(directory).slice(1).at(-1)
    const [below] = /^[^">, ]*/.exec(last ?? '') ?? []
    // strace selects a rename by the old path alone, that of a temporary file.
    const unnamed = last === undefined || name.startsWith('rename') || below?.startsWith('/state/tmp/')
    const path = unnamed ? undefined : below
    const nth = count(counts, path === undefined ? `${thread} ${name}` : `${thread} ${name} ${path}`)
    if (path !== undefined) count(counts, `${thread} ${name}`)
    if (last === undefined || below === undefined) continue
    // Modules are opened too, and not always as many: what has no path of its own cannot be counted among them.
    if (path === undefined && name === 'openat') continue
    calls.push({ name, nth, path, what: kindOf(below) })
  }
  return calls
}

function count(counts: Map<string, number>, key: string): number {
  const nth = (counts.get(key) ?? 0) + 1
  counts.set(key, nth)
  return nth
}

function kindOf(below: string): string {
  return below
    .replace(/evidence\/sha256\/.*/, 'evidence')
    .replace(/state\/tmp\/.+/, 'state/tmp/…')
    .replaceAll(/\d+/g, '#')
}
