import { existsSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { sha256Hex } from '../encoding/digest.ts'
import { makeDirectory, writeDurably } from './durable.ts'
import { LineageError } from './error.ts'
import { errno, type Io } from './io.ts'

/** Most bytes of a blob. An event log is some 100 kB; an IMA log of a million entries some 100 MB, kept in pieces. */
export const MAX_BLOB_BYTES = 32 << 20

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
  if (sha256Hex(bytes) !== digest) {
    throw new LineageError('BLOB_DAMAGED', `${path} holds other bytes than its name says`, { at: path })
  }
  return bytes
}

/** A whole file, if it has at most `max` bytes. @throws LineageError `BLOB_ABSENT`, `BLOB_TOO_LARGE` */
export async function readBounded(path: string, max: number, at: string): Promise<Buffer> {
  const file = await open(path).catch(cause => {
    throw new LineageError('BLOB_ABSENT', `${at} cannot be opened (${errno(cause) ?? 'error'})`, {
      at,
      cause,
    })
  })
  try {
    const { size } = await file.stat()
    if (size > max)
      throw new LineageError('BLOB_TOO_LARGE', `${at} has ${size} bytes, at most ${max}`, { at })
    return await file.readFile()
  } finally {
    await file.close()
  }
}

/** The content-addressed store beside the log: evidence, records, signed documents. Calls may run at once. */
export class BlobStore {
  readonly #io: Io
  readonly #directory: string
  readonly #scratch: string

  constructor(io: Io, directory: string, scratch: string) {
    this.#io = io
    this.#directory = directory
    this.#scratch = scratch
  }

  /** Stores bytes and gives their digest. Durable when this resolves. @throws LineageError `BLOB_TOO_LARGE` */
  async put(bytes: Uint8Array): Promise<string> {
    if (bytes.length > MAX_BLOB_BYTES) {
      throw new LineageError('BLOB_TOO_LARGE', `a blob of ${bytes.length} bytes, at most ${MAX_BLOB_BYTES}`)
    }
    const digest = sha256Hex(bytes)
    const path = join(this.#directory, blobPath(digest))
    if (existsSync(path) && (await this.#holds(digest))) return digest
    await makeDirectory(this.#io, dirname(path))
    await writeDurably(this.#io, this.#scratch, [{ path, bytes }])
    return digest
  }

  /** Whether the stored file is whole. One that a crash left with a name and no content is written again. */
  async #holds(digest: string): Promise<boolean> {
    return readBlob(this.#directory, digest).then(
      () => true,
      () => false,
    )
  }

  get(digest: string): Promise<Buffer> {
    return readBlob(this.#directory, digest)
  }
}
