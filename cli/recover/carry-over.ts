import {
  type KnownRevisions,
  MAX_REFERENCE_ENVELOPE_BYTES,
  parseReferenceValues,
  withRevision,
} from '../../attestation/index.ts'
import { CLOCK_TOLERANCE_MS, RevocationSet, readRevocation } from '../../authorization/index.ts'
import { WritError } from '../../encoding/error.ts'
import {
  type Carried,
  type Fault,
  type LineageEvent,
  MAX_GOVERNED,
  parseCarried,
} from '../../lineage/index.ts'
import { parseEnvelope } from '../../signing/dsse.ts'
import type { EventOf } from '../verify/steps.ts'

/** Events that put a document in force. */
const DOCUMENTS = ['trust-roots', 'policy', 'host-labels', 'secret-policy'] as const
type DocumentType = (typeof DOCUMENTS)[number]
type Lost = Carried['lost'][number]

/** Quotes that are remembered, in case the newest cannot be read. */
const MAX_QUOTES = 8

/** An event without what every event has. */
export type Body = LineageEvent extends infer E
  ? E extends unknown
    ? Omit<E, 'v' | 'time' | 'bootNs'>
    : never
  : never

/** What is put into the new log, by digest, and the entries that name it. */
export interface CarriedOver {
  readonly entries: readonly Body[]
  readonly blobs: readonly Buffer[]
  readonly facts: Carried
  /** The newest quote that can be read; null if there is none. */
  readonly attest: Buffer | null
  /** What keeps a daemon from reading the log, apart from the log itself. */
  readonly faults: readonly Fault[]
  readonly counts: Readonly<Record<string, number>>
}

/**
 * Gathers, from every event that can be read of a log, what the next epoch must not forget: all that forbids, and below which versions nothing is
 * taken. Documents are not verified here: they are signed, and the daemon and every verifier look at that.
 */
export class CarryOver {
  readonly #blob: (digest: string) => Promise<Buffer>
  readonly #revocations: { readonly index: number; readonly event: EventOf<'revocation'> }[] = []
  readonly #documents = new Map<
    DocumentType,
    { readonly index: number; readonly event: EventOf<DocumentType> }[]
  >()
  readonly #referenceValues: { readonly index: number; readonly event: EventOf<'reference-values'> }[] = []
  readonly #governed = new Set<string>()
  readonly #open = new Set<string>()
  readonly #lost: Lost[] = []
  #quotes: string[] = []
  #failure: { readonly index: number; readonly reasons: EventOf<'trust-transition'>['reasons'] } | null = null
  #clockFault: string | null = null
  #newestMs = 0

  /** @param blob gives a blob of the old log, checked against its digest */
  constructor(blob: (digest: string) => Promise<Buffer>) {
    this.#blob = blob
  }

  /** Takes the next event that can be read. */
  readonly take = async (event: LineageEvent, index: number): Promise<void> => {
    if (this.#clockFault === null) this.#newestMs = Math.max(this.#newestMs, Date.parse(event.time))
    switch (event.type) {
      case 'epoch':
        await this.#takeEpoch(event)
        return
      case 'revocation':
        // The log before this one had it, too.
        if (this.#revocations.every(known => known.event.blob !== event.blob))
          this.#revocations.push({ index, event })
        return
      case 'reference-values':
        this.#referenceValues.push({ index, event })
        return
      case 'trust-roots':
      case 'policy':
      case 'host-labels':
      case 'secret-policy':
        this.#documents.set(event.type, [...(this.#documents.get(event.type) ?? []), { index, event }])
        return
      case 'trust-transition':
        if (event.to === 'FAILED') this.#failure = { index, reasons: event.reasons }
        return
      // `failure-cleared` is not believed: it permits, and nobody has vouched for what stands in a log that cannot go on.
      case 'clock-untrusted':
        this.#clockFault = event.why
        return
      case 'clock-trusted':
        this.#clockFault = null
        this.#newestMs = Date.parse(event.time)
        return
      case 'appraisal':
        this.#takeAppraisal(index, event)
        return
      case 'execution-start':
        for (const digest of event.subjects) {
          this.#governed.delete(digest)
          this.#governed.add(digest)
        }
        this.#open.add(event.executionId)
        return
      case 'execution-end':
        this.#open.delete(event.executionId)
        return
      default:
        return
    }
  }

  /** What an earlier recovery carried over goes along. */
  async #takeEpoch(event: EventOf<'epoch'>): Promise<void> {
    if (event.attest !== null) this.#quotes.push(event.attest)
    try {
      const { governed, open } = parseCarried(await this.#blob(event.carried))
      for (const digest of governed) this.#governed.add(digest)
      for (const id of open) this.#open.add(id)
    } catch (error) {
      // What it knew is lost: executions that are unknown are ended by the launcher, and programs that are unknown fail an appraisal.
      if (!(error instanceof WritError)) throw error
    }
  }

  /** As the daemon folds them. */
  #takeAppraisal(index: number, { verdict, reasons, clock, evidence }: EventOf<'appraisal'>): void {
    if (verdict === 'fail') this.#failure ??= { index, reasons }
    if (clock === null || reasons.some(({ code }) => code === 'CLOCK_ROLLED_BACK')) return
    this.#quotes = [...this.#quotes.slice(-MAX_QUOTES + 1), evidence.attest]
  }

  /** Reads what is carried over. Everything that forbids comes before it is asked for what is lost. */
  async result(nowMs: number): Promise<CarriedOver> {
    const blobs: Buffer[] = []
    const revocations = await this.#readRevocations(blobs)
    const documents = await this.#readDocuments(blobs)
    const referenceValues = await this.#readReferenceValues(blobs)
    const state = this.#state(nowMs)
    const { attest, fault } = await this.#readQuote()
    return {
      entries: [...revocations, ...documents, ...referenceValues, ...state],
      blobs,
      attest,
      facts: {
        governed: [...this.#governed].slice(-MAX_GOVERNED),
        open: [...this.#open],
        lost: this.#lost,
      },
      faults: [
        ...this.#lost.map(({ index, type, blob }) => ({
          code: 'BLOB_ABSENT',
          message: `the document (${type}) that entry ${index} names cannot be read`,
          at: `evidence/sha256/${blob.slice(0, 2)}/${blob.slice(2)}`,
        })),
        ...(fault === null ? [] : [fault]),
      ],
      counts: {
        revocations: revocations.length,
        documents: documents.length + referenceValues.length,
        running: this.#open.size,
      },
    }
  }

  /** All of them, under a manifest of those that are left. */
  async #readRevocations(blobs: Buffer[]): Promise<Body[]> {
    const bodies: Body[] = []
    let set = RevocationSet.empty
    for (const { index, event } of this.#revocations) {
      const envelope = await this.#read(index, event)
      if (envelope === null) continue
      try {
        const document = readRevocation(envelope)
        set = set.with(document)
        blobs.push(envelope, set.manifest)
        const { digest, epoch } = document
        bodies.push({ type: 'revocation', digest, epoch, blob: event.blob, manifest: set.digest })
      } catch (error) {
        this.#miss(error, index, event)
      }
    }
    return bodies
  }

  /** The newest of each kind: what is older was replaced. A start reads all of them. */
  async #readDocuments(blobs: Buffer[]): Promise<Body[]> {
    const bodies: Body[] = []
    for (const type of DOCUMENTS) {
      let newest: { readonly envelope: Buffer; readonly body: Body } | null = null
      for (const { index, event } of this.#documents.get(type) ?? []) {
        const envelope = await this.#read(index, event)
        const { digest, version, blob } = event
        if (envelope !== null) newest = { envelope, body: { type, digest, version, blob } }
      }
      if (newest === null) continue
      blobs.push(newest.envelope)
      bodies.push(newest.body)
    }
    return bodies
  }

  /** Those that are the newest of their name, in the order in which they came into force. */
  async #readReferenceValues(blobs: Buffer[]): Promise<Body[]> {
    let known: KnownRevisions = new Map()
    const read: { readonly name: string; readonly envelope: Buffer; readonly body: Body }[] = []
    for (const { index, event } of this.#referenceValues) {
      const envelope = await this.#read(index, event)
      if (envelope === null) continue
      try {
        const values = parseReferenceValues(parseEnvelope(envelope, MAX_REFERENCE_ENVELOPE_BYTES).payload)
        known = withRevision(known, values)
        const { digest, blob } = event
        const { name } = values.document
        if (known.get(name)?.digest === values.digest)
          read.push({ name, envelope, body: { type: 'reference-values', digest, blob } })
      } catch (error) {
        this.#miss(error, index, event)
      }
    }
    const newest = read.filter(({ name }, i) => !read.slice(i + 1).some(later => later.name === name))
    blobs.push(...newest.map(({ envelope }) => envelope))
    return newest.map(({ body }) => body)
  }

  /** FAILED, and a wall clock that is not relied on, or was set back since. */
  #state(nowMs: number): Body[] {
    const behindMs = this.#newestMs - nowMs
    const why =
      this.#clockFault ??
      (behindMs > CLOCK_TOLERANCE_MS
        ? `the wall clock is ${Math.round(behindMs)} ms behind what was already recorded`
        : null)
    return [
      ...(this.#failure === null
        ? []
        : [
            {
              type: 'trust-transition',
              from: 'UNATTESTED',
              to: 'FAILED',
              epoch: 0,
              reasons: this.#failure.reasons,
            } as const,
          ]),
      ...(why === null ? [] : [{ type: 'clock-untrusted', why } as const]),
    ]
  }

  /** The newest quote, or the newest that can be read: then a start does not get past the others. */
  async #readQuote(): Promise<{ readonly attest: Buffer | null; readonly fault: Fault | null }> {
    let fault: Fault | null = null
    for (const digest of this.#quotes.toReversed()) {
      try {
        return { attest: await this.#blob(digest), fault }
      } catch (error) {
        if (!(error instanceof WritError)) throw error
        fault ??= { code: error.code, message: error.message, at: error.at ?? null }
      }
    }
    return { attest: null, fault }
  }

  async #read(
    index: number,
    event: { readonly type: Lost['type']; readonly blob: string },
  ): Promise<Buffer | null> {
    try {
      return await this.#blob(event.blob)
    } catch (error) {
      this.#miss(error, index, event)
      return null
    }
  }

  #miss(
    error: unknown,
    index: number,
    { type, blob }: { readonly type: Lost['type']; readonly blob: string },
  ): void {
    if (!(error instanceof WritError)) throw error
    this.#lost.push({ index, type, blob })
  }
}
