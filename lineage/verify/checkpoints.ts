import type { ClockInfo, EnrolledAk, VerifiedQuote } from '../../attestation/index.ts'
import { base64ToBytes } from '../../encoding/text.ts'
import { type PublicKey, readPublicKey } from '../../signing/key.ts'
import {
  type Checkpoint,
  parseCheckpoint,
  readQuoteLine,
  verifyLogSignature,
  verifyTpmSignature,
} from '../checkpoint.ts'
import type { LineageEvent } from '../events/index.ts'
import { ClockOrder, goesBack } from './clock-order.ts'
import type { RecentTrees } from './recent-trees.ts'
import { failed, notChecked, type PropertyResult, verified } from './result.ts'

export const CHECKPOINTS = 'chain of checkpoints'

/**
 * Two signatures cost as much as hashing some hundred entries, and a quiet log is half checkpoints. So the first ones are all looked at, then one in so many
 * entries, besides each with another reset, restart or firmware than the one before, and the newest. One that is not looked at lies between two that
 * are, in the tree as in the TPM's time: that is how far it could lie.
 */
const ALWAYS_LOOKED_AT = 512
const ENTRIES_FOR_ONE = 1024

/** What an entry of the log says was published, and what its quote proves. */
export interface AnchoredCheckpoint {
  /** Null for the published checkpoint itself, which has no entry. */
  readonly index: number | null
  readonly size: number
  readonly quote: Pick<VerifiedQuote, 'pcrDigest' | 'pcrSelection' | 'hash' | 'clock'>
}

interface Told {
  readonly index: number
  readonly time: string
  readonly checkpoint: Checkpoint
}

/**
 * The line of checkpoints that the log tells of, up to the published one: each is a checkpoint of this log, of a tree before its own entry, with the root that the tree had
 * then, signed by the log's key and quoted by the enrolled AK; sizes go up, and the TPM's clock never goes back, between them and the quotes of
 * appraisals.
 */
export class CheckpointChain {
  readonly #head: Checkpoint
  readonly #ak: EnrolledAk | undefined
  readonly #every: boolean
  readonly #anchored: (checkpoint: AnchoredCheckpoint) => void
  readonly #order = new ClockOrder()
  #logKey: PublicKey | undefined
  #fault: string | undefined
  #size = -1
  #count = 0
  #looked = 0
  #since: string | undefined
  #clock: ClockInfo | undefined
  #firmware: bigint | undefined
  /** The newest, if its signatures were not looked at. */
  #skipped: Told | undefined
  /** Roots of trees that the pass over the entries does not remember. */
  readonly distant = new Map<number, { readonly root: Buffer; readonly index: number }>()

  /**
   * @param logKey the log's key if it is known; else it is the one that the log's starts name, which the signed tree vouches for
   * @param every whether the signatures of all are looked at, however many there are
   * @param anchored is called with each whose signatures hold, in their order
   */
  constructor(
    head: Checkpoint,
    trust: { readonly ak?: EnrolledAk | undefined; readonly logKey?: PublicKey | undefined },
    every: boolean,
    anchored: (checkpoint: AnchoredCheckpoint) => void,
  ) {
    this.#head = head
    this.#ak = trust.ak
    this.#logKey = trust.logKey
    this.#every = every
    this.#anchored = anchored
  }

  /** Takes the next event. A fault is kept: nothing after it is looked at. */
  take(event: LineageEvent, index: number, trees: Pick<RecentTrees, 'rootAt'>): void {
    if (this.#fault !== undefined) return
    try {
      if (event.type === 'checkpoint') this.#takeCheckpoint(event, index, trees)
      else if (event.type === 'appraisal') this.#takeAppraisal(event, index)
      else if (event.type === 'daemon-start')
        this.#logKey ??= readPublicKey(base64ToBytes(event.logKeySpki, 'logKeySpki'))
    } catch (error) {
      this.#fault = `entry ${index}: ${error instanceof Error ? error.message : String(error)}`
    }
  }

  #takeCheckpoint(
    event: LineageEvent & { type: 'checkpoint' },
    index: number,
    trees: Pick<RecentTrees, 'rootAt'>,
  ): void {
    const checkpoint = parseCheckpoint(base64ToBytes(event.note, 'note'))
    const { origin, size, root } = checkpoint
    const { clock, firmwareVersion, pcrDigest } = readQuoteLine(checkpoint)
    const pcrs = pcrDigest.toString('hex')
    must(origin === this.#head.origin, `a checkpoint of the log ${origin}`)
    must(
      size === event.size && root.toString('hex') === event.root,
      'it says another size or root than its checkpoint',
    )
    must(
      event.pcrs === null || event.pcrs === pcrs,
      'the PCR values that it names are not those that its checkpoint quotes',
    )
    must(size <= index, `a checkpoint of ${size} entries, which there were not yet`)
    must(size > this.#size, `a checkpoint of ${size} entries after one of ${this.#size}`)
    const had = trees.rootAt(size)
    if (had === undefined) this.distant.set(size, { root, index })
    else must(had.equals(root), `the log had another tree at ${size} entries`)
    const what = `the checkpoint in entry ${index}`
    const fault = this.#order.take({ bound: size, entry: index, clock, firmwareVersion, what })
    must(fault === null, fault ?? '')
    // Checkpoints are signed one after the other, so their sizes tell their order, whatever entries lie between.
    const back = this.#clock === undefined ? null : goesBack({ clock: this.#clock }, { clock })
    must(back === null, `${what}: ${back} since the checkpoint before it`)

    const told = { index, time: event.time, checkpoint }
    const isDue =
      this.#looked < ALWAYS_LOOKED_AT + index / ENTRIES_FOR_ONE || this.#isOther(clock, firmwareVersion)
    this.#skipped = undefined
    if (this.#every || isDue) this.#verify(told)
    else this.#skipped = told
    this.#size = size
    this.#clock = clock
    this.#firmware = firmwareVersion
    this.#count++
  }

  #isOther(now: ClockInfo, firmware: bigint): boolean {
    const before = this.#clock
    return (
      before?.resetCount !== now.resetCount ||
      before.restartCount !== now.restartCount ||
      before.safe !== now.safe ||
      this.#firmware !== firmware
    )
  }

  #verify({ index, time, checkpoint }: Told): void {
    must(this.#logKey !== undefined, 'no start before it names a key')
    verifyLogSignature(checkpoint, this.#logKey as PublicKey)
    this.#looked++
    this.#since ??= time
    if (this.#ak === undefined) return
    const quote = verifyTpmSignature(checkpoint, this.#ak)
    this.#anchored({ index, size: checkpoint.size, quote })
  }

  /** What an appraisal says of the clock is taken as it is: that its quote says so, and is by the AK, is a property of its own. */
  #takeAppraisal(event: LineageEvent & { type: 'appraisal' }, index: number): void {
    const { clock, binding, reasons } = event
    // A failing host's clock may have gone back: that is why it failed, and it says so.
    if (clock === null || reasons.some(({ code }) => code === 'CLOCK_ROLLED_BACK')) return
    const what = `the appraisal in entry ${index}`
    const told = { ...clock, clock: BigInt(clock.clock) }
    const fault = this.#order.take({
      bound: binding.treeSize,
      entry: index,
      clock: told,
      firmwareVersion: null,
      what,
    })
    must(fault === null, fault ?? '')
  }

  /**
   * The end of the line: the published checkpoint.
   *
   * @param rootsAt the roots of `distant`, by size
   * @param tree whether the entries make the root of the published checkpoint
   */
  result(rootsAt: ReadonlyMap<number, Buffer>, tree: PropertyResult): PropertyResult {
    if (tree.status !== 'VERIFIED')
      return failed(CHECKPOINTS, 'the entries that tell of them are not the signed ones', tree.file)
    try {
      must(this.#fault === undefined, this.#fault ?? '')
      for (const [size, { root, index }] of this.distant)
        must(
          rootsAt.get(size)?.equals(root) === true,
          `entry ${index}: the log had another tree at ${size} entries`,
        )
      if (this.#skipped !== undefined) this.#verify(this.#skipped)
      must(
        this.#head.size > this.#size,
        `the published checkpoint has ${this.#head.size} entries, and there was one of ${this.#size}`,
      )
      const { clock, firmwareVersion } = readQuoteLine(this.#head)
      const what = 'the published checkpoint'
      const fault = this.#order.take({
        bound: this.#head.size,
        entry: this.#head.size,
        clock,
        firmwareVersion,
        what,
      })
      must(fault === null, fault ?? '')
      if (this.#ak === undefined) return notChecked(CHECKPOINTS, 'no attestation key was given')
      verifyLogSignature(this.#head, this.#logKey as PublicKey)
      this.#anchored({ index: null, size: this.#head.size, quote: verifyTpmSignature(this.#head, this.#ak) })
      return verified(CHECKPOINTS, this.#summary())
    } catch (error) {
      return failed(CHECKPOINTS, error instanceof Error ? error.message : String(error))
    }
  }

  #summary(): string {
    const { resets, firmwareChanges } = this.#order
    const looked = this.#looked === this.#count ? '' : ` (signatures of ${this.#looked} looked at)`
    const since = this.#since === undefined ? '' : ` since ${this.#since}`
    const firmware = firmwareChanges === 0 ? '' : `, ${firmwareChanges} changes of its firmware`
    return `the published one and ${this.#count} before it are anchored in the TPM${looked}${since}, across ${resets} resets${firmware}`
  }
}

function must(holds: boolean, what: string): void {
  if (!holds) throw new Error(what)
}
