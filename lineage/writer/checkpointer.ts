import { encodeBundle } from '../c2sp/entry-bundle.ts'
import { TILE_WIDTH, tilesOf } from '../c2sp/tile-path.ts'
import {
  type CheckpointSigner,
  type FreshCheckpoint,
  type SignedCheckpoint,
  signCheckpoint,
  type TreeHead,
} from '../checkpoint.ts'
import { LineageError } from '../error.ts'
import type { Tree } from '../tree/tree.ts'
import { writeDurably } from './durable.ts'
import type { Io } from './io.ts'
import type { Journal } from './journal.ts'
import { layout } from './recovery.ts'
import type { StateFiles } from './state.ts'
import type { TileStore } from './tile-store.ts'

interface Parts {
  readonly io: Io
  readonly directory: string
  readonly origin: string
  readonly signer: CheckpointSigner | undefined
  readonly tree: Tree
  readonly journal: Journal
  readonly state: StateFiles
  readonly tiles: TileStore
  readonly latest: SignedCheckpoint | undefined
}

/** Signs tree heads, one at a time, and never two trees of one size. */
export class Checkpointer {
  readonly #parts: Parts
  #latest: SignedCheckpoint | undefined
  #running: Promise<unknown> = Promise.resolve()
  /** Called with each checkpoint once it is published; the next waits until that is over. What it throws is thrown by who asked for the checkpoint. */
  onPublished: (checkpoint: FreshCheckpoint) => Promise<void> = async () => undefined

  constructor(parts: Parts) {
    this.#parts = parts
    this.#latest = parts.latest
  }

  get latest(): SignedCheckpoint | undefined {
    return this.#latest
  }

  checkpoint(): Promise<SignedCheckpoint> {
    const running = this.#running.catch(() => undefined).then(() => this.#checkpoint())
    this.#running = running
    running.catch(() => undefined)
    return running
  }

  /** Waits for a running checkpoint, however it ends. */
  async idle(): Promise<void> {
    await this.#running.catch(() => undefined)
  }

  async #checkpoint(): Promise<SignedCheckpoint> {
    const { state, tree } = this.#parts
    // The TPM may have signed this tree before a crash or a lost answer. It is signed again, never another in its place.
    const pending = state.read('pending')
    if (pending !== undefined && pending.size > (this.#latest?.size ?? -1)) await this.#publish(pending)
    const head = { size: tree.size, root: tree.root() }
    if (this.#latest?.size === head.size) return this.#latest
    await state.write('pending', { ...head, counter: null, done: false })
    return this.#publish(head)
  }

  /** Tiles first, so that a reader of the new checkpoint finds all that it promises. */
  async #publish(head: TreeHead): Promise<SignedCheckpoint> {
    const { io, directory, origin, signer, state } = this.#parts
    if (signer === undefined)
      throw new LineageError('LINEAGE_UNAVAILABLE', 'there is nothing to sign checkpoints with')
    await this.#writeTiles(head.size)
    const checkpoint = await signCheckpoint(signer, origin, head)
    const path = layout(directory).checkpoint
    await writeDurably(io, layout(directory).scratch, [{ path, bytes: checkpoint.note }])
    const { pcrs: _, ...published } = checkpoint
    this.#latest = published
    await state.remove('pending')
    await this.onPublished(checkpoint)
    return published
  }

  async #writeTiles(size: number): Promise<void> {
    const { journal, tiles, tree } = this.#parts
    await journal.tile()
    const partial = []
    for (const name of tilesOf(size)) {
      if (name.width === TILE_WIDTH || tiles.hasFull(name)) continue
      const { level, index, width } = name
      const first = index * TILE_WIDTH
      const bytes =
        level === 'entries'
          ? encodeBundle(await journal.run(first, first + width))
          : Buffer.concat(await tree.tile(level, index, width))
      partial.push({ name, bytes })
    }
    await tiles.write(partial)
  }
}
