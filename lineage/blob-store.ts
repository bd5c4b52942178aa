import { closeSync, constants, existsSync, fstatSync, openSync, readFileSync, statSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { sha256HexAside } from '../encoding/digest.ts'
import { LineageError } from './error.ts'
import { Bookkeeping } from './retention/bookkeeping.ts'
import { makeDirectory, writeDurably } from './writer/durable.ts'
import { errno, type Io } from './writer/io.ts'

/** Most bytes of a blob. An event log is some 100 kB; an IMA log of a million entries some 100 MB, kept in pieces; the largest are signed reference values. */
export const MAX_BLOB_BYTES = 48 << 20

/** Path of a blob below the lineage's directory. */
export function blobPath(digest: string): string {
  if (!/^[0-9a-f]{64}$/.test(digest)) throw new LineageError('PATH_MALFORMED', 'not a SHA-256 digest')
  return `evidence/sha256/${digest.slice(0, 2)}/${digest.slice(2)}`
}

/**
 * Reads a blob and checks it against its digest.
 *
 * @throws LineageError `BLOB_ABSENT`, `BLOB_DAMAGED`, `BLOB_TOO_LARGE`
 */
export async function readBlob(directory: string, digest: string): Promise<Buffer> {
  const path = blobPath(digest)
  const bytes = await readBounded(join(directory, path), MAX_BLOB_BYTES, path)
  if ((await sha256HexAside(bytes)) !== digest) {
    throw new LineageError('BLOB_DAMAGED', `${path} holds other bytes than its name says`, { at: path })
  }
  return bytes
}

/** {@link readBounded} at once: for whoever reads thousands of small files one after the other and has nothing else to do. @throws as it does */
export function readBoundedSync(path: string, max: number, at: string): Buffer {
  let file: number
  try {
    // A pipe in place of a file does not hold up whoever opens it.
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (cause) {
    throw new LineageError('BLOB_ABSENT', `${at} cannot be opened (${errno(cause) ?? 'error'})`, {
      at,
      cause,
    })
  }
  try {
    const status = fstatSync(file)
    if (!status.isFile()) throw new LineageError('BLOB_ABSENT', `${at} is not a regular file`, { at })
    if (status.size > max)
      throw new LineageError('BLOB_TOO_LARGE', `${at} has ${status.size} bytes, at most ${max}`, { at })
    return readFileSync(file)
  } finally {
    closeSync(file)
  }
}

/** A whole file, if it has at most `max` bytes. @throws LineageError `BLOB_ABSENT`, `BLOB_TOO_LARGE` */
export async function readBounded(path: string, max: number, at: string): Promise<Buffer> {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch(cause => {
    throw new LineageError('BLOB_ABSENT', `${at} cannot be opened (${errno(cause) ?? 'error'})`, {
      at,
      cause,
    })
  })
  try {
    const status = await file.stat()
    if (!status.isFile()) throw new LineageError('BLOB_ABSENT', `${at} is not a regular file`, { at })
    const { size } = status
    if (size > max)
      throw new LineageError('BLOB_TOO_LARGE', `${at} has ${size} bytes, at most ${max}`, { at })
    return await file.readFile()
  } finally {
    await file.close()
  }
}

/** What a blob takes of the disk: its bytes in whole blocks of 4096, the usual ones of ext4 and XFS. */
export function diskBytes(length: number): number {
  return Math.max(1, Math.ceil(length / 4096)) * 4096
}

/** How long a blob that was put or held waits for the entry that names it, at most: longer than any request may take. */
const UNNAMED_MS = 2 * 3600_000

/**
 * The content-addressed store beside the log: evidence, records, signed documents. Calls may run at once.
 *
 * What is not kept any longer is removed while others go on naming blobs. So whoever is about to name one says so first, by {@link put} or, if it is
 * thought to be there, by {@link hold}: from then on it stays until an entry names it.
 */
export class BlobStore {
  readonly #io: Io
  readonly #directory: string
  readonly #scratch: string
  readonly #putting = new Map<string, Promise<void>>()
  readonly #removing = new Map<string, Promise<number>>()
  /** Blobs that entries are about to name: how many, and since when (performance.now()). */
  readonly #unnamed = new Map<string, { uses: number; sinceMs: number }>()
  readonly #abandoned = new Set<string>()
  /** What all blobs take of the disk, in {@link diskBytes}; null until somebody has counted. */
  bytes: number | null = null
  /** What is known of the store between two runs. */
  readonly bookkeeping: Bookkeeping
  /** Is told of each blob that is about to be named, before anything else happens, and again when its entry is durable. */
  onUse: (digest: string) => void = () => undefined

  constructor(io: Io, directory: string, scratch: string) {
    this.#io = io
    this.#directory = directory
    this.#scratch = scratch
    this.bookkeeping = new Bookkeeping(io, dirname(scratch), scratch)
  }

  /** Stores bytes and gives their digest. Durable when this resolves. @throws LineageError `BLOB_TOO_LARGE` */
  async put(bytes: Uint8Array): Promise<string> {
    if (bytes.length > MAX_BLOB_BYTES) {
      throw new LineageError('BLOB_TOO_LARGE', `a blob of ${bytes.length} bytes, at most ${MAX_BLOB_BYTES}`)
    }
    const digest = await sha256HexAside(bytes)
    this.#use(digest)
    const running = this.#putting.get(digest)
    if (running !== undefined) await running
    else {
      const putting = this.#put(digest, bytes).finally(() => this.#putting.delete(digest))
      this.#putting.set(digest, putting)
      await putting
    }
    return digest
  }

  /**
   * Whether a blob is there, for whoever knows it from before and is about to name it without putting it again. One that is being removed is not.
   */
  hold(digest: string): boolean {
    if (this.#removing.has(digest) || !existsSync(join(this.#directory, blobPath(digest)))) return false
    this.#use(digest)
    return true
  }

  /** An entry that names these blobs is about to be written. */
  naming(digests: readonly string[]): void {
    for (const digest of digests) this.onUse(digest)
  }

  /** That entry is in the log, or its caller knows that it may not be. */
  named(digests: readonly string[]): void {
    for (const digest of digests) {
      this.onUse(digest)
      const waiting = this.#unnamed.get(digest)
      if (waiting === undefined) continue
      waiting.uses--
      if (waiting.uses === 0) this.#unnamed.delete(digest)
    }
  }

  /** Whether an entry is about to name it. */
  inUse(digest: string): boolean {
    return this.#unnamed.has(digest) || this.#putting.has(digest)
  }

  /** Forgets what nobody has come to name: the request had failed by then. */
  forgetUnnamed(): void {
    const now = performance.now()
    for (const [digest, { sinceMs }] of this.#unnamed) {
      if (now - sinceMs < UNNAMED_MS) continue
      this.#unnamed.delete(digest)
      this.#abandoned.add(digest)
    }
  }

  /** Whether blobs other than these were put that nobody came to name: their files are in nobody's way, and count. */
  hasAbandoned(others: ReadonlySet<string>): boolean {
    return [...this.#unnamed.keys(), ...this.#abandoned].some(digest => !others.has(digest))
  }

  get(digest: string): Promise<Buffer> {
    return readBlob(this.#directory, digest)
  }

  /**
   * Removes a blob unless an entry is about to name it. That it is gone need not survive a crash: what is found again is removed again.
   *
   * @returns what it took of the disk; 0 if nothing was removed
   */
  async remove(digest: string): Promise<number> {
    if (this.inUse(digest)) return 0
    const removing = this.#remove(digest).finally(() => this.#removing.delete(digest))
    this.#removing.set(digest, removing)
    return removing
  }

  #use(digest: string): void {
    const uses = (this.#unnamed.get(digest)?.uses ?? 0) + 1
    this.#unnamed.set(digest, { uses, sinceMs: performance.now() })
    this.onUse(digest)
  }

  async #put(digest: string, bytes: Uint8Array): Promise<void> {
    await this.#removing.get(digest)
    const path = join(this.#directory, blobPath(digest))
    const before = sizeOf(path)
    if (before !== undefined && (await this.#holds(digest))) return
    await makeDirectory(this.#io, dirname(path))
    await writeDurably(this.#io, this.#scratch, [{ path, bytes }])
    this.#count(diskBytes(bytes.length) - (before === undefined ? 0 : diskBytes(before)))
  }

  async #remove(digest: string): Promise<number> {
    const path = join(this.#directory, blobPath(digest))
    const size = sizeOf(path)
    if (size === undefined) return 0
    try {
      await this.#io.unlink(path)
    } catch (error) {
      if (errno(error) === 'ENOENT') return 0
      throw error
    }
    this.#count(-diskBytes(size))
    return diskBytes(size)
  }

  #count(change: number): void {
    if (this.bytes !== null) this.bytes += change
  }

  /** Whether the stored file is whole. One that a crash left with a name and no content is written again. */
  async #holds(digest: string): Promise<boolean> {
    return readBlob(this.#directory, digest).then(
      () => true,
      () => false,
    )
  }
}

function sizeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.size
}
