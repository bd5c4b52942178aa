import { join } from 'node:path'
import { canonicalJsonBytes, type JsonObject, parseJson } from '../../encoding/json.ts'
import { hexToBytes } from '../../encoding/text.ts'
import type { TreeHead } from '../checkpoint.ts'
import { LineageError } from '../error.ts'
import { HASH_SIZE } from '../tree/merkle.ts'
import { removeDurably, writeDurably } from './durable.ts'
import type { Io } from './io.ts'
import { readPlainFileSync } from './plain-file.ts'

/**
 * - `pending` the tree that the TPM is about to sign, or has signed without our knowing
 * - `anchor` the tree that the TPM's counter stands for
 * - `stop` the tree at a clean stop
 */
export type StateName = 'pending' | 'anchor' | 'stop'

/** A tree head that survives the process, with what else is known about it. */
export interface StateRecord extends TreeHead {
  /** The TPM counter's value that belongs to the head; only without an anchor is there none. */
  readonly counter: bigint | null
  /** For `anchor`: whether the counter is known to have reached that value. */
  readonly done: boolean
  /** Entries of the newest checkpoint that had been published by then; null or absent if none was. It says that there has to be one. */
  readonly published?: number | null
}

const SNAPSHOT_HINT = 'snapshot'

/** The writer's own small files. Each holds its old or its new content after a crash. */
export class StateFiles {
  readonly #io: Io
  readonly #directory: string
  readonly #scratch: string

  constructor(io: Io, directory: string, scratch: string) {
    this.#io = io
    this.#directory = directory
    this.#scratch = scratch
  }

  /** @throws LineageError `LINEAGE_BROKEN` when the file is not what {@link write} writes, `LINEAGE_UNAVAILABLE` when it cannot be read */
  read(name: StateName): StateRecord | undefined {
    const bytes = readPlainFileSync(join(this.#directory, name), `state/${name}`)
    if (bytes === undefined) return undefined
    try {
      return decode(parseJson(bytes, { maxBytes: 1024, maxDepth: 1 }) as JsonObject)
    } catch (cause) {
      throw new LineageError('LINEAGE_BROKEN', `state/${name} is damaged`, { at: `state/${name}`, cause })
    }
  }

  async write(name: StateName, { size, root, counter, done, published }: StateRecord): Promise<void> {
    const bytes = canonicalJsonBytes({
      counter: counter === null ? null : String(counter),
      done,
      published: published ?? null,
      root: root.toString('hex'),
      size,
      v: 1,
    })
    await writeDurably(this.#io, this.#scratch, [{ path: join(this.#directory, name), bytes }])
  }

  /** Where the newest snapshot is said to be; undefined if nobody says so. Only the entry there can say that it is one. */
  readSnapshotHint(): number | undefined {
    try {
      const text = readPlainFileSync(join(this.#directory, SNAPSHOT_HINT), SNAPSHOT_HINT)?.toString('latin1')
      return text !== undefined && /^[0-9]{1,15}\n$/.test(text) ? Number(text) : undefined
    } catch {
      return undefined
    }
  }

  async writeSnapshotHint(index: number): Promise<void> {
    const file = { path: join(this.#directory, SNAPSHOT_HINT), bytes: Buffer.from(`${index}\n`) }
    await writeDurably(this.#io, this.#scratch, [file])
  }

  remove(name: StateName | 'damaged'): Promise<void> {
    return removeDurably(this.#io, join(this.#directory, name))
  }
}

function decode({ v, size, root, counter, done, published }: JsonObject): StateRecord {
  const bytes = typeof root === 'string' ? hexToBytes(root) : Buffer.alloc(0)
  const value = typeof counter === 'string' && /^[0-9]{1,20}$/.test(counter) ? BigInt(counter) : null
  if (
    v !== 1 ||
    !isSize(size) ||
    (published !== null && !isSize(published)) ||
    bytes.length !== HASH_SIZE ||
    typeof done !== 'boolean'
  ) {
    throw new Error('a field is missing or of another type')
  }
  if (counter !== null && value === null) throw new Error('the counter is not a number')
  return { size, root: bytes, counter: value, done, published }
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}
