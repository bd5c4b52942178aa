import { join } from 'node:path'
import {
  type EnrolledAk,
  type KnownRevisions,
  MAX_REFERENCE_ENVELOPE_BYTES,
  parseReferenceValues,
  withRevision,
} from '../../attestation/index.ts'
import { sha256Hex } from '../../encoding/digest.ts'
import { WritError } from '../../encoding/error.ts'
import { type Envelope, parseEnvelope } from '../../signing/dsse.ts'
import { readBlob } from '../blob-store.ts'
import { type Checkpoint, parseCheckpoint, verifyTpmSignature } from '../checkpoint.ts'
import { type Carried, parseCarried } from '../epoch/carried.ts'
import { listFiles } from '../epoch/files.ts'
import { parseEpochOrigin } from '../epoch/origin.ts'
import { salvage } from '../epoch/salvage.ts'
import type { LineageEvent } from '../events/index.ts'
import { failed, failedBy, notChecked, type PropertyResult, verified } from './result.ts'

export const EPOCH = 'epoch'
export const PREVIOUS = 'log before this one'

type Epoch = LineageEvent & { readonly type: 'epoch' }

/** Documents of which the newest that can be read is carried over. */
const NEWEST = ['trust-roots', 'policy', 'host-labels', 'secret-policy'] as const

/** What a log says of the one whose place it took, up to the first start of a daemon. */
export class EpochCheck {
  /** The first entry; undefined in a log that took no other's place. */
  first: Epoch | undefined
  /** Blobs of the documents that it goes on with, and whether it goes on as FAILED. */
  readonly carried = new Set<string>()
  failed = false
  /** Whether it goes on with a wall clock that is not relied on. */
  clockUntrusted = false
  #started = false
  #fault: string | undefined

  take(event: LineageEvent, index: number): void {
    if (event.type === 'epoch') {
      if (index === 0) this.first = event
      else this.#fault ??= `entry ${index} begins an epoch in the middle of a log`
    }
    if (event.type === 'daemon-start') this.#started = true
    if (this.first === undefined || this.#started) return
    if (event.type === 'trust-transition') this.failed = event.to === 'FAILED'
    if (event.type === 'clock-untrusted') this.clockUntrusted = true
    if ('blob' in event && event.blob !== null) this.carried.add(event.blob)
  }

  /** That the name of the log is that of its epoch. */
  result({ origin }: Pick<Checkpoint, 'origin'>): PropertyResult[] {
    const { first } = this
    const { base, epoch } = parseEpochOrigin(origin)
    if (this.#fault !== undefined) return [failed(EPOCH, this.#fault)]
    if (first === undefined)
      return epoch === 1
        ? []
        : [failed(EPOCH, `its name says epoch ${epoch}, its first entry says nothing of it`)]
    const before = parseEpochOrigin(first.previous.origin)
    if (first.epoch !== epoch)
      return [failed(EPOCH, `its name says epoch ${epoch}, its first entry epoch ${first.epoch}`)]
    if (before.base !== base || before.epoch >= epoch)
      return [
        failed(EPOCH, `it took the place of ${first.previous.origin}, which is not an earlier epoch of it`),
      ]
    const { size } = first.previous.salvaged
    return [
      verified(
        EPOCH,
        `${epoch}, after ${first.previous.origin}, of which ${size} entries were whole (${first.why.code})`,
      ),
    ]
  }
}

/**
 * That the first entry commits to exactly these files, and that nothing which forbids was left behind: what can be read of the old log is what was carried
 * over, or named as lost.
 *
 * @param directory of the new log
 * @param previous the old one as it was put aside, and, where that took another's place, that one, and so on; empty if nobody brought any
 */
export async function checkPrevious(
  directory: string,
  epochs: EpochCheck,
  previous: readonly string[],
  ak: EnrolledAk | undefined,
): Promise<PropertyResult[]> {
  if (previous.length === 0)
    return epochs.first === undefined
      ? []
      : [notChecked(PREVIOUS, 'the log that was put aside was not given')]
  let log = directory
  let check = epochs
  for (const aside of previous) {
    const { first } = check
    if (first === undefined) return [failed(PREVIOUS, `${log} took no other log’s place`)]
    const next = new EpochCheck()
    try {
      const files = await listFiles(aside)
      if (sha256Hex(files) !== first.previous.files)
        return [failed(PREVIOUS, await difference(log, first, files))]
      const fault = await contradiction({ log, check, first, aside, ak, next })
      if (fault !== undefined) return [failed(PREVIOUS, fault)]
    } catch (error) {
      return [failedBy(PREVIOUS, error, join(aside, 'checkpoint'))]
    }
    log = aside
    check = next
  }
  return [
    verified(
      PREVIOUS,
      `${previous.length === 1 ? 'every file is' : `of ${previous.length} logs every file is`} the one that the first entry commits to, and all that forbids was carried over`,
    ),
  ]
}

async function difference(directory: string, first: Epoch, now: Buffer): Promise<string> {
  const then = await readBlob(directory, first.previous.files)
  const lines = (list: Buffer) => new Set(list.toString('utf8').split('\n'))
  const [old, found] = [lines(then), lines(now)]
  const missing = [...old].find(line => !found.has(line))
  const added = [...found].find(line => !old.has(line))
  const shown = (line: string) => line.slice(66)
  if (missing !== undefined) return `a file is not there as it was put aside: ${shown(missing)}`
  return `a file was not there when it was put aside: ${shown(added ?? '')}`
}

async function contradiction({
  log,
  check,
  first,
  aside,
  ak,
  next,
}: {
  readonly log: string
  readonly check: EpochCheck
  readonly first: Epoch
  readonly aside: string
  readonly ak: EnrolledAk | undefined
  /** Is told of the old log's own entries. */
  readonly next: EpochCheck
}): Promise<string | undefined> {
  const old = new OldLog(digest => readBlob(aside, digest))
  const { beginning, note } = await salvage(aside, async (event, index) => {
    next.take(event, index)
    await old.take(event, index)
  })
  const { salvaged, checkpoint: published, origin } = first.previous
  if (beginning.size !== salvaged.size || beginning.root.toString('hex') !== salvaged.root)
    return `of the old log ${beginning.size} entries are whole, the first entry says ${salvaged.size}, or they have another root`
  if (published !== null) {
    const bytes = Buffer.from(published, 'base64')
    if (!note?.equals(bytes)) return 'its newest checkpoint is another than the first entry carries'
    const checkpoint = parseCheckpoint(bytes)
    if (checkpoint.origin === origin && checkpoint.size <= beginning.size && ak !== undefined)
      verifyTpmSignature(checkpoint, ak)
  }
  return old.missingIn(check, first, parseCarried(await readBlob(log, first.carried)))
}

/** What a new epoch must not forget of the old log. */
class OldLog {
  readonly #blob: (digest: string) => Promise<Buffer>
  readonly #revocations: string[] = []
  /** By type, oldest first. */
  readonly #documents = new Map<string, string[]>()
  readonly #referenceValues: string[] = []
  readonly #governed = new Set<string>()
  readonly #open = new Set<string>()
  readonly #quotes = new Set<string>()
  #failure: number | undefined
  #clockUntrusted: number | undefined

  constructor(blob: (digest: string) => Promise<Buffer>) {
    this.#blob = blob
  }

  async take(event: LineageEvent, index: number): Promise<void> {
    switch (event.type) {
      case 'epoch': {
        if (event.attest !== null) this.#quotes.add(event.attest)
        const { governed, open } = parseCarried(await this.#blob(event.carried))
        for (const digest of governed) this.#governed.add(digest)
        for (const id of open) this.#open.add(id)
        return
      }
      case 'revocation':
        this.#revocations.push(event.blob)
        return
      case 'trust-transition':
        if (event.to === 'FAILED') this.#failure = index
        return
      // `failure-cleared` is not believed here either: the new epoch has to be cleared anew.
      case 'clock-untrusted':
        this.#clockUntrusted = index
        return
      case 'clock-trusted':
        this.#clockUntrusted = undefined
        return
      case 'appraisal':
        // It fails a host whose transition was not written any more.
        if (event.verdict === 'fail') this.#failure ??= index
        this.#quotes.add(event.evidence.attest)
        return
      case 'reference-values':
        this.#referenceValues.push(event.blob)
        return
      case 'execution-start':
        for (const digest of event.subjects) this.#governed.add(digest)
        this.#open.add(event.executionId)
        return
      case 'execution-end':
        this.#open.delete(event.executionId)
        return
      default:
        if (NEWEST.some(type => type === event.type) && 'blob' in event && event.blob !== null)
          this.#documents.set(event.type, [...(this.#documents.get(event.type) ?? []), event.blob])
    }
  }

  async missingIn(
    { carried, failed: isFailed, clockUntrusted }: EpochCheck,
    { attest, previous: { salvaged } }: Epoch,
    { lost, open, governed }: Carried,
  ): Promise<string | undefined> {
    const left = await this.#leftBehind(carried, new Set(lost.map(({ blob }) => blob)))
    if (left !== undefined) return left
    if (this.#failure !== undefined && !isFailed)
      return `the host had failed (entry ${this.#failure}), and goes on as if it had not`
    if (this.#clockUntrusted !== undefined && !clockUntrusted)
      return `the wall clock was not relied on (entry ${this.#clockUntrusted}), and is as if it had been`
    const running = new Set(open)
    const forgotten = [...this.#open].find(id => !running.has(id))
    if (forgotten !== undefined) return `an execution without an end was not carried over: ${forgotten}`
    // Of a log of which nothing is left at its beginning, this comes from the one before.
    if (salvaged.size === 0) return undefined
    const more = governed.find(digest => !this.#governed.has(digest))
    if (more !== undefined) return `it says that ${more} ran, and the old log has no START of it`
    if (attest !== null && !this.#quotes.has(attest))
      return 'it goes on from a quote that the old log does not have'
    return attest === null && this.#quotes.size > 0 ? 'it forgets the quotes that the old log has' : undefined
  }

  /** All revocations and the newest of the others are there; what is named as lost cannot be read. */
  async #leftBehind(carried: ReadonlySet<string>, gone: ReadonlySet<string>): Promise<string | undefined> {
    for (const blob of new Set([...this.#revocations, ...[...this.#documents.values()].flat()]))
      if (gone.has(blob) && !carried.has(blob) && (await this.#envelope(blob)) !== null)
        return `a document is named as lost, and the old log has it: ${blob}`
    const newest = [...this.#documents.values()].map(blobs => blobs.findLast(blob => !gone.has(blob)))
    const wanted = [...this.#revocations.filter(blob => !gone.has(blob)), ...newest]
    wanted.push(...(await this.#newestReferenceValues(gone)))
    const left = wanted.find(blob => blob !== undefined && !carried.has(blob))
    return left === undefined ? undefined : `a document that the old log has was not carried over: ${left}`
  }

  /** Of each name the one that was in force, as far as they can be read. */
  async #newestReferenceValues(gone: ReadonlySet<string>): Promise<string[]> {
    const newest = new Map<string, string>()
    let known: KnownRevisions = new Map()
    for (const blob of this.#referenceValues) {
      const envelope = await this.#envelope(blob)
      if (envelope === null) continue
      try {
        const values = parseReferenceValues(envelope.payload)
        known = withRevision(known, values)
        const { name } = values.document
        if (known.get(name)?.digest === values.digest) newest.set(name, blob)
      } catch (error) {
        // Nobody could have put it in force: then it is named as lost.
        if (!(error instanceof WritError) || !gone.has(blob)) throw error
      }
    }
    return [...newest.values()]
  }

  async #envelope(blob: string): Promise<Envelope | null> {
    try {
      return parseEnvelope(await this.#blob(blob), MAX_REFERENCE_ENVELOPE_BYTES)
    } catch (error) {
      if (error instanceof WritError) return null
      throw error
    }
  }
}
