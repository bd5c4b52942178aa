import { type Lineage, LineageError } from '../lineage/index.ts'
import {
  collectEntries,
  encodeReceipt,
  findPermit,
  makeReceipt,
  ReceiptError,
  type ReceiptHost,
  type ReceiptLog,
} from '../receipt/index.ts'
import type { PrivateKey } from '../signing/key.ts'
import type { ReceiptRequest } from './core.ts'

/** How long a receipt waits for a checkpoint that covers its end. */
const CHECKPOINT_MS = 30_000
const LOOK_MS = 50
/** A checkpoint takes the TPM's time: however many ask for receipts, no more often than this because of them. */
const ASK_MS = 1_000
/** Made at one time. Each may have to read much of the log. */
const AT_ONCE = 2
/** Most that wait for their turn: of one uid, and of all. */
const WAITING_OF_ONE = 16
const WAITING = 64

export interface ReceiptsOptions {
  readonly lineage: Lineage
  readonly host: ReceiptHost
  readonly logKey: PrivateKey
  /** Where the permit of an execution is that this run of the daemon knows. */
  readonly permitOf: (executionId: string) => bigint | null
  /** Whether it has not ended yet, as far as this run of the daemon knows: then nobody needs to look for its end in the log. */
  readonly isRunning: (executionId: string) => boolean
  /** Asks for a checkpoint, and does not wait for it. */
  readonly seal: () => void
}

/** Makes receipts of executions that have ended, off the way of requests. */
export class Receipts {
  readonly #o: ReceiptsOptions
  readonly #log: ReceiptLog
  readonly #waiting: { readonly uid: number; readonly go: () => void }[] = []
  #running = 0
  #askedMs = Number.NEGATIVE_INFINITY

  constructor(options: ReceiptsOptions) {
    this.#o = options
    this.#log = receiptLog(options.lineage)
  }

  /**
   * The bytes of a receipt. Whose the execution is has been looked at before. An auditor's carries what the decision rested on.
   *
   * @param signal aborted when nobody waits for it any more
   * @throws ReceiptError
   */
  async make(uid: number, request: ReceiptRequest, signal: AbortSignal): Promise<Buffer> {
    if (this.#o.isRunning(request.executionId))
      throw new ReceiptError('NOT_ENDED', 'the execution has not ended')
    await this.#turn(uid)
    try {
      return await this.#make(request, signal)
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#running--
      // Its place is the next one's.
      else next.go()
    }
  }

  async #make({ executionId, decision, auditor }: ReceiptRequest, signal: AbortSignal): Promise<Buffer> {
    const { lineage, host, logKey } = this.#o
    const permit =
      this.#o.permitOf(executionId) ?? decision ?? (await this.#find(executionId, auditor, signal))
    const entries = await collectEntries(this.#log, executionId, permit, { run: lineage.tailIndex, signal })
    const checkpoint = await this.#covering(entries.at(-1)?.index ?? 0, signal)
    return encodeReceipt(
      await makeReceipt(this.#log, { entries, checkpoint, host, logKey, grounds: auditor }),
    )
  }

  /** Reading the log from its end costs as much as it is long: nobody else may ask for that. */
  #find(executionId: string, auditor: boolean, signal: AbortSignal): Promise<bigint> {
    if (auditor) return findPermit(this.#log, executionId, signal)
    throw new ReceiptError(
      'ENTRY_MISSING',
      'the daemon does not remember where the permit of this execution is in the log; say it, as it was told at the start',
    )
  }

  async #covering(index: number, signal: AbortSignal): Promise<{ note: Buffer; size: bigint }> {
    const deadline = performance.now() + CHECKPOINT_MS
    for (;;) {
      const latest = this.#o.lineage.latestCheckpoint()
      if (latest !== undefined && latest.size > index) return { note: latest.note, size: BigInt(latest.size) }
      signal.throwIfAborted()
      const now = performance.now()
      if (now > deadline)
        throw new ReceiptError(
          'CHECKPOINT_MISSING',
          'the TPM has signed no checkpoint that covers its end yet',
        )
      if (now - this.#askedMs >= ASK_MS) {
        this.#askedMs = now
        this.#o.seal()
      }
      await new Promise(resolve => setTimeout(resolve, LOOK_MS))
    }
  }

  async #turn(uid: number): Promise<void> {
    if (this.#running < AT_ONCE) {
      this.#running++
      return
    }
    const own = this.#waiting.filter(other => other.uid === uid).length
    if (own >= WAITING_OF_ONE || this.#waiting.length >= WAITING)
      throw new ReceiptError('BUSY', 'too many receipts are being made: ask again')
    await new Promise<void>(go => this.#waiting.push({ uid, go }))
  }
}

function receiptLog(lineage: Lineage): ReceiptLog {
  return {
    get size() {
      return lineage.size
    },
    entry: index => lineage.entry(index),
    readEntries: (from, to) => lineage.readEntries(from, to),
    inclusionProof: (index, size) => lineage.inclusionProof(index, size),
    consistencyProof: (size1, size2) => lineage.consistencyProof(size1, size2),
    blob: digest =>
      lineage.getBlob(digest).catch(error => {
        if (error instanceof LineageError && error.code === 'BLOB_ABSENT') return null
        throw error
      }),
  }
}
