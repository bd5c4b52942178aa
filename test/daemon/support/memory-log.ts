import { sha256Hex } from '../../../encoding/digest.ts'
import { encodeEvent, type Lineage, type LineageEvent } from '../../../lineage/index.ts'

/** A log that is in memory alone: what a fold and a writer of snapshots ask of one, for tests that need many. */
export class MemoryLog {
  readonly #entries: Buffer[] = []
  readonly blobs = new Map<string, Buffer>()
  hint: bigint | null = null
  /** What the published checkpoint stands for; null: everything. */
  signed: number | null = null

  get size(): bigint {
    return BigInt(this.#entries.length)
  }

  /** It, for whoever wants a whole lineage and asks for no more than is here. */
  get lineage(): Lineage {
    return this as unknown as Lineage
  }

  async append(event: LineageEvent): Promise<{ index: bigint }> {
    this.#entries.push(encodeEvent(event))
    return { index: this.size - 1n }
  }

  async entry(index: bigint): Promise<Buffer> {
    const bytes = this.#entries[Number(index)]
    if (bytes === undefined) throw new Error(`there is no entry ${index}`)
    return bytes
  }

  async readEntries(from: bigint, to: bigint): Promise<{ index: bigint; bytes: Buffer }[]> {
    const bytes = this.#entries.slice(Number(from), Number(to))
    return bytes.map((bytes, i) => ({ index: from + BigInt(i), bytes }))
  }

  async putBlob(bytes: Buffer): Promise<string> {
    const digest = sha256Hex(bytes)
    this.blobs.set(digest, bytes)
    return digest
  }

  async getBlob(digest: string): Promise<Buffer> {
    const bytes = this.blobs.get(digest)
    if (bytes === undefined) throw new Error(`there is no blob ${digest}`)
    return bytes
  }

  snapshotHint(): bigint | null {
    return this.hint
  }

  async noteSnapshot(index: bigint): Promise<void> {
    this.hint = index
  }

  latestCheckpoint() {
    return { size: this.signed ?? this.#entries.length }
  }
}
