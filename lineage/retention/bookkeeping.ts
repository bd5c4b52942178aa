import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { sha256Hex } from '../../encoding/digest.ts'
import { canonicalJsonBytes, type JsonObject, type JsonValue, parseJson } from '../../encoding/json.ts'
import { writeDurably } from '../writer/durable.ts'
import type { Io } from '../writer/io.ts'

/** Longest file that is read: some hundred thousand lasting blobs. Beyond, each start counts anew. */
const MAX_BYTES = 32 << 20
/** Entries that may be held back at one time; they are those of what runs. */
const MAX_HELD = 100_000

/** What retention knows of the log and of the store. All of it follows from them: without it, it is found anew by reading the log. */
export interface Known {
  /** The entries that `lasting` was gathered from, and the root of their tree. */
  readonly size: number
  readonly root: string
  /** Blobs that are never dropped. */
  readonly lasting: ReadonlySet<string>
  /** Entries before this one have been looked at: of their blobs only those of `running` and `held` may still be dropped. */
  readonly before: number
  /** Entries of executions that had not ended. */
  readonly running: readonly number[]
  /** Entries that something else kept back. */
  readonly held: readonly number[]
  /** What the store takes of the disk, at a clean stop; null while it is written to. */
  readonly bytes: number | null
}

/**
 * The file `state/evidence`. It is the writer's own, like the rest of `state`: who can write it can remove evidence outright. An old one is
 * good for the log that it is of, of which it speaks of a beginning; `digest` tells a damaged one.
 */
export class Bookkeeping {
  readonly #io: Io
  readonly #scratch: string
  readonly #path: string

  constructor(io: Io, directory: string, scratch: string) {
    this.#io = io
    this.#scratch = scratch
    this.#path = join(directory, 'evidence')
  }

  /** Undefined if there is none, or none that can be used. */
  read(): Known | undefined {
    try {
      return parseKnown(readFileSync(this.#path))
    } catch {
      return undefined
    }
  }

  /** Durable when it resolves. */
  async write(known: Known): Promise<void> {
    const bytes = encodeKnown(known)
    if (bytes.length <= MAX_BYTES) await writeDurably(this.#io, this.#scratch, [{ path: this.#path, bytes }])
  }
}

/** The file's bytes: canonical JSON with the digest of the rest of it. */
export function encodeKnown({ lasting, running, held, ...rest }: Known): Buffer {
  const body = { v: 1, ...rest, lasting: [...lasting], running: [...running], held: [...held] }
  return canonicalJsonBytes({ ...body, digest: sha256Hex(canonicalJsonBytes(body)) })
}

/** Reads what {@link encodeKnown} writes. @throws whatever is wrong with anything else */
export function parseKnown(bytes: Uint8Array): Known {
  const value = parseJson(bytes, { maxBytes: MAX_BYTES, maxDepth: 3 }) as JsonObject
  const { digest, ...body } = value
  if (digest !== sha256Hex(canonicalJsonBytes(body))) throw new Error('the digest is of something else')
  const { v, size, root, lasting, before, running, held, bytes: taken } = body
  if (v !== 1 || !isCount(size) || !isDigest(root) || !isCount(before) || before > size)
    throw new Error('a field is missing or of another type')
  if (!isList(lasting, isDigest, MAX_BYTES)) throw new Error('lasting blobs are digests')
  if (!isList(running, isCount, MAX_HELD) || !isList(held, isCount, MAX_HELD))
    throw new Error('entries are numbers')
  if (![...running, ...held].every(index => index < before))
    throw new Error('an entry that was not looked at')
  if (taken !== null && !isCount(taken)) throw new Error('bytes are a number')
  return { size, root, lasting: new Set(lasting), before, running, held, bytes: taken }
}

function isCount(value: JsonValue | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

function isDigest(value: JsonValue | undefined): value is string {
  return typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)
}

function isList<T extends JsonValue>(
  value: JsonValue | undefined,
  isItem: (item: JsonValue) => item is T,
  most: number,
): value is T[] {
  return Array.isArray(value) && value.length <= most && value.every(isItem)
}
