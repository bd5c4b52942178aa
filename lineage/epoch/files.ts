import { createHash } from 'node:crypto'
import { constants, type Dirent } from 'node:fs'
import { type FileHandle, open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { MAX_BLOB_BYTES } from '../blob-store.ts'
import { errno } from '../writer/io.ts'

const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants

/** In place of the digest of what is not a regular file or cannot be read, after what it is. */
const NO_DIGEST = 64
const LOCK = 'state/lock'
/** Below this, blobs of evidence are named by the digest of their bytes. */
const EVIDENCE = 'evidence/sha256/'

/**
 * Opens a regular file and nothing else: no link is followed, and no named pipe waited for.
 *
 * @throws the system's error; `null` where there is something else
 */
export async function openRegular(path: string): Promise<FileHandle | null> {
  const file = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  if ((await file.stat()).isFile()) return file
  await file.close()
  return null
}

/**
 * Every file below a directory, a line `<SHA-256>  <path>` each, in the order of their bytes: what `sha256sum` writes, and `sha256sum -c` checks. In
 * the place of a digest stands, padded with `-`, what is not a regular file, or why it cannot be read. A path with a control character or a backslash is
 * written as JSON has it. The writer's lock is left out: it is empty, and reading it would let it go (fcntl(2): closing any descriptor does).
 *
 * Blobs of evidence that hold what their names say are left out where the list would become too long for a blob itself: their digests are in the
 * entries. A line that begins with `#` then says how many, and the SHA-256 of their names.
 *
 * @param directory whose files are controlled by whoever broke it
 * @param most bytes of the list
 */
export async function listFiles(directory: string, most = MAX_BLOB_BYTES): Promise<Buffer> {
  const lines: { readonly text: string; readonly blob: string | null }[] = []
  for await (const { path, entry } of walk(directory, '')) {
    if (path === LOCK) continue
    const found = entry.isFile() ? await digestOf(join(directory, path)) : kindOf(entry)
    const blob = path.startsWith(EVIDENCE) ? path.slice(EVIDENCE.length).replace('/', '') : null
    lines.push({ text: `${found}  ${shown(path)}\n`, blob: blob === found ? found : null })
  }
  const all = Buffer.from(lines.map(({ text }) => text).join(''))
  if (all.length <= most) return all
  const names = createHash('sha256')
  let left = 0
  for (const { blob } of lines) {
    if (blob === null) continue
    names.update(`${blob}\n`)
    left++
  }
  const head = `# ${left} blobs of evidence under their own digests, names ${names.digest('hex')}\n`
  const rest = lines.filter(({ blob }) => blob === null).map(({ text }) => text)
  return Buffer.from([head, ...rest].join(''))
}

async function* walk(
  directory: string,
  below: string,
): AsyncGenerator<{ readonly path: string; readonly entry: Dirent }> {
  const entries = await readdir(join(directory, below), { withFileTypes: true })
  // Order of code units and of bytes is the same for all names that a log has; for others it only has to be one order.
  entries.sort((a, b) => (a.name < b.name ? -1 : 1))
  for (const entry of entries) {
    const path = below === '' ? entry.name : `${below}/${entry.name}`
    if (entry.isDirectory()) yield* walk(directory, path)
    else yield { path, entry }
  }
}

async function digestOf(path: string): Promise<string> {
  try {
    const file = await openRegular(path)
    if (file === null) return 'other'.padEnd(NO_DIGEST, '-')
    const hash = createHash('sha256')
    for await (const piece of file.createReadStream()) hash.update(piece)
    return hash.digest('hex')
  } catch (error) {
    // An unreadable sector must not keep a log from being put aside.
    return (errno(error) ?? 'unreadable').padEnd(NO_DIGEST, '-')
  }
}

function kindOf(entry: Dirent): string {
  return (entry.isSymbolicLink() ? 'link' : 'other').padEnd(NO_DIGEST, '-')
}

function shown(path: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: one line is one file.
  return /[\u0000-\u001f\u007f\\]/.test(path) ? JSON.stringify(path) : path
}
