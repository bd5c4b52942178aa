import { WritError } from '../encoding/error.ts'
import { BlobStore } from './blob-store.ts'
import { isKeyName } from './c2sp/note.ts'
import type { CheckpointSigner, FreshCheckpoint, SignedCheckpoint } from './checkpoint.ts'
import { DurableEntries } from './durable-entries.ts'
import { LineageError } from './error.ts'
import { blobsOf, encodeEvent, isReserved, type LineageEvent } from './events/index.ts'
import type { Tree } from './tree/tree.ts'
import { advanceAnchor, type Found, type NvCounter } from './writer/anchor.ts'
import { Checkpointer } from './writer/checkpointer.ts'
import { markDamaged } from './writer/damaged.ts'
import { makeDirectory } from './writer/durable.ts'
import { Health } from './writer/health.ts'
import { errno, type Io, systemIo } from './writer/io.ts'
import type { Journal } from './writer/journal.ts'
import { takeWriterLock, type WriterLock } from './writer/lock.ts'
import { checkPlaces, isThere } from './writer/places.ts'
import { layout, type Recovered, recover, refuseRemains } from './writer/recovery.ts'
import type { StateFiles } from './writer/state.ts'
import { TileStore } from './writer/tile-store.ts'

export interface LineageOptions {
  /** Names the first epoch of the log in its checkpoints; no spaces, no plus. Later ones have a name of their own behind it. */
  readonly origin: string
  /** Without it, {@link Lineage.checkpoint} is refused. */
  readonly signer?: CheckpointSigner
  /** Without it, a roll-back of the files is not seen. */
  readonly counter?: NvCounter
  /**
   * A restored state, or a new epoch, that an operator accepts. The counter is not moved before a `rollback-accepted` or `epoch-accepted` is in
   * the log: until then the next start finds it as this one did.
   */
  readonly accepted?: Found
  /** Whether an empty directory becomes a new lineage. Default false. */
  readonly create?: boolean
  /** System calls; for tests of what happens when they fail. */
  readonly io?: Io
}

/**
 * The lineage, open for writing. There is one writer per directory. All methods may be called at any time; what they give is about
 * durable entries only. After {@link Lineage.failed} has resolved every write is refused: the process is to end.
 */
export class Lineage extends DurableEntries {
  readonly directory: string
  /** The name of this epoch of the log. */
  readonly origin: string
  /** 1 unless the log took the place of one that could not go on. */
  readonly epoch: number
  /** Whether an earlier writer ended without {@link close}: limited uses issued before then are in doubt. */
  readonly openedAfterUncleanStop: boolean
  /** Entries that were in the log when it was opened: those below are the tail that an operator accepts after an unclean stop. */
  readonly tailIndex: bigint
  /** Resolves with the reason when nothing can be written any more. */
  readonly failed: Promise<LineageError>
  /** The evidence store beside the log. Only who decides what is kept needs it; others put and get. */
  readonly evidence: BlobStore

  readonly #lock: WriterLock
  readonly #health: Health
  readonly #tree: Tree
  readonly #journal: Journal
  readonly #state: StateFiles
  readonly #checkpointer: Checkpointer
  readonly #counter: NvCounter | undefined
  #anchoring: Promise<unknown> = Promise.resolve()
  /** Whether an unclean stop is an entry of the log. Until then only the missing mark says that there was one. */
  #recovered: boolean
  /** Whether the counter does not vouch for the files, and no entry of the log says who does. */
  #rolledBack: boolean
  #closed = false
  readonly #waiting = new Set<() => void>()
  #closing: Promise<void> | undefined

  private constructor(
    directory: string,
    options: LineageOptions,
    lock: WriterLock,
    health: Health,
    io: Io,
    from: Recovered,
  ) {
    super(from.tree, from.journal, health)
    const { scratch } = layout(directory)
    this.directory = directory
    this.origin = from.origin
    this.epoch = from.epoch
    this.#lock = lock
    this.#health = health
    this.#tree = from.tree
    this.#journal = from.journal
    this.#state = from.state
    this.#counter = options.counter
    this.evidence = new BlobStore(io, directory, scratch)
    this.#checkpointer = new Checkpointer({
      io,
      directory,
      origin: from.origin,
      signer: options.signer,
      tree: from.tree,
      journal: from.journal,
      state: from.state,
      tiles: new TileStore(io, directory, scratch),
      latest: from.checkpoint,
    })
    this.openedAfterUncleanStop = from.unclean
    this.#recovered = !from.unclean
    this.#rolledBack = from.rolledBack
    this.tailIndex = BigInt(from.tree.size)
    this.failed = health.failed
    void health.failed.then(({ code, at }) => {
      if (code === 'LINEAGE_BROKEN' && at !== undefined) markDamaged(directory, at)
    })
  }

  /**
   * Opens a lineage: takes the lock, repairs what a crash left, checks the files against every promise (last checkpoint, pending
   * signature, TPM counter) and moves the counter.
   *
   * @throws LineageError `LINEAGE_ABSENT`, `LINEAGE_LOCKED`, `LINEAGE_BROKEN`, `LINEAGE_ROLLED_BACK`, `LINEAGE_NEW_EPOCH`,
   * `LINEAGE_UNAVAILABLE`; whatever the counter throws
   */
  static async open(directory: string, options: LineageOptions): Promise<Lineage> {
    if (!isKeyName(options.origin)) throw new TypeError(`${JSON.stringify(options.origin)} cannot name a log`)
    const health = new Health()
    const io = health.watch(options.io ?? systemIo)
    let lock: WriterLock | undefined
    try {
      checkPlaces(directory)
      if (!isThere(layout(directory).tail)) refuseRemains(directory, options.create ?? false)
      await makeDirectory(io, layout(directory).state)
      lock = takeWriterLock(layout(directory).lock)
      const { origin, create = false, counter, accepted, signer } = options
      const from = await recover(directory, { origin, create, counter, accepted, keys: signer }, io, health)
      const lineage = new Lineage(directory, options, lock, health, io, from)
      if (counter === undefined || from.rolledBack) return lineage
      await lineage.anchor().catch(async error => {
        await from.journal.close()
        throw error
      })
      return lineage
    } catch (error) {
      lock?.release()
      if (error instanceof WritError || errno(error) === undefined) throw error
      throw new LineageError('LINEAGE_UNAVAILABLE', `the lineage cannot be opened: ${String(error)}`, {
        at: directory,
        cause: error,
      })
    }
  }

  /**
   * Appends an event. Resolves once it is durable, in the order of the calls. A rejection after which the process ended leaves it
   * open whether the event is in the log.
   *
   * @throws LineageError `EVENT_INVALID`, `ENTRY_TOO_LARGE`, `LINEAGE_UNAVAILABLE`, `LINEAGE_CLOSED`
   */
  async append(event: LineageEvent): Promise<{ index: bigint }> {
    this.#assertOpen()
    const bytes = encodeEvent(event)
    const blobs = blobsOf(event)
    this.evidence.naming(blobs)
    const appended = this.#journal.append(bytes, isReserved(event.type))
    const index = BigInt(await appended.finally(() => this.evidence.named(blobs)))
    if (this.#waiting.size > 0) this.#wake()
    if (event.type === 'recovery') this.#recovered = true
    if (event.type === 'rollback-accepted' || event.type === 'epoch-accepted') this.#rolledBack = false
    return { index }
  }

  /** Resolves when there are more than `size` durable entries, when nothing is written any more, or when the signal aborts. */
  async grownBeyond(size: bigint, signal: AbortSignal): Promise<void> {
    while (this.size <= size && !this.#closed && !signal.aborted && this.#health.failure === undefined) {
      await new Promise<void>(resolve => {
        const done = () => {
          this.#waiting.delete(done)
          signal.removeEventListener('abort', done)
          resolve()
        }
        this.#waiting.add(done)
        signal.addEventListener('abort', done, { once: true })
      })
    }
  }

  #wake(): void {
    for (const done of this.#waiting) done()
  }

  /**
   * Signs the tree as it is now and publishes it with its tiles. If the newest checkpoint is of this size already, it is given as it is. What the TPM throws
   * passes through; the next call then signs the same tree first.
   *
   * @throws LineageError `SIGNATURE_INVALID`, `LINEAGE_UNAVAILABLE`, `LINEAGE_CLOSED`
   */
  async checkpoint(): Promise<SignedCheckpoint> {
    this.#assertOpen()
    return this.#checkpointer.checkpoint()
  }

  /**
   * Sets what is called with each checkpoint once it is published, whoever asked for it. It may append; {@link checkpoint} and {@link close} wait
   * for it, and it is to throw nothing.
   */
  set onPublished(published: (checkpoint: FreshCheckpoint) => Promise<void>) {
    this.#checkpointer.onPublished = published
  }

  /** The newest published checkpoint. */
  latestCheckpoint(): SignedCheckpoint | undefined {
    return this.#checkpointer.latest
  }

  /** Moves the TPM's counter and binds it to the tree as it is now. @throws LineageError; whatever the counter throws */
  async anchor(): Promise<bigint> {
    const counter = this.#counter
    if (counter === undefined) throw new TypeError('this lineage was opened without a counter')
    if (this.#rolledBack)
      throw new TypeError('the counter vouches for it once the log says that it was accepted')
    this.#assertOpen()
    const anchoring = this.#anchoring
      .catch(() => undefined)
      .then(() => advanceAnchor(this.#state, counter, this.#head()))
    this.#anchoring = anchoring
    return anchoring
  }

  /** Entry that is said to be the newest snapshot; null if none is. Whoever asks has to look whether it is one. */
  snapshotHint(): bigint | null {
    const index = this.#state.readSnapshotHint()
    return index === undefined ? null : BigInt(index)
  }

  /** Says where the newest snapshot is, for the next start. @throws LineageError */
  async noteSnapshot(index: bigint): Promise<void> {
    this.#assertOpen()
    await this.#state.writeSnapshotHint(Number(index))
  }

  /** Stores bytes beside the log and gives their SHA-256. Durable when this resolves. @throws LineageError */
  async putBlob(bytes: Uint8Array): Promise<string> {
    this.#assertOpen()
    return this.evidence.put(bytes)
  }

  /**
   * Whether a blob that was put before is still there, for whoever is about to name it and does not want to put it again: old ones are
   * dropped. If so it stays until an entry names it.
   */
  holdBlob(digest: string): boolean {
    return this.evidence.hold(digest)
  }

  /** @throws LineageError `BLOB_ABSENT`, `BLOB_DAMAGED`, `PATH_MALFORMED` */
  getBlob(digest: string): Promise<Buffer> {
    return this.evidence.get(digest)
  }

  /**
   * A clean stop: waits for what was appended, moves the counter and leaves the mark that the next start looks for. There is no mark
   * after an unclean stop that no `recovery` entry tells of: the next start has to see it too. After a failure it only lets go of the files.
   * Safe to call twice.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    try {
      if (this.#health.failure === undefined) await this.#stopCleanly()
    } finally {
      this.#closed = true
      this.#wake()
      await this.#journal.close()
      this.#lock.release()
    }
  }

  async #stopCleanly(): Promise<void> {
    await this.#journal.drain()
    await this.#checkpointer.idle()
    if (this.#rolledBack) {
      this.#closed = true
      return this.#journal.drain()
    }
    const counter = this.#counter === undefined ? null : await this.anchor()
    this.#closed = true
    await this.#journal.drain()
    if (!this.#recovered) return
    // Whatever came in since the counter moved makes this mark one of another tree, and the next start an unclean one.
    await this.#state.write('stop', { ...this.#head(), counter, done: true })
  }

  #head(): { size: number; root: Buffer; published: number | null } {
    const published = this.#checkpointer.latest?.size ?? null
    return { size: this.#tree.size, root: this.#tree.root(), published }
  }

  #assertOpen(): void {
    if (this.#closed)
      throw new LineageError('LINEAGE_CLOSED', 'the lineage is closed', { at: this.directory })
  }
}
