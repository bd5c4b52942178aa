import {
  type Decision,
  type DecisionInput,
  decideAfterOpen,
  decideBeforeOpen,
  MAX_ARTIFACT_BYTES,
  openHostLabels,
  openPolicyBundle,
  openRevocation,
  openTrustRoots,
  type PolicyBundle,
  Reevaluator,
  RevocationSet,
  sentArtifact,
  UseTable,
} from '../../../authorization/index.ts'
import { AnswerCache } from '../../../authorization/policy/answer-cache.ts'
import { OpenedArtifacts } from '../../../daemon/opened-artifacts.ts'
import { sha256Hex } from '../../../encoding/digest.ts'
import { type PublicKey, readPublicKey } from '../../../signing/key.ts'
import type { Case } from './cases.ts'
import type { Corpus } from './corpus.ts'

/**
 * `cached`: as the daemon decides, every document opened once, with all its caches. `bare`: everything read anew for each decision, nothing kept.
 * `replayed`: as an auditor does, from the record's bytes.
 */
export type Way = 'cached' | 'bare' | 'replayed'

const bytesOf = (text: string) => Buffer.from(text, 'base64')

/** Decides on cases of a corpus in one of the ways. */
export class Deciding {
  readonly #corpus: Corpus
  readonly #way: Way
  readonly #governance: readonly PublicKey[]
  readonly #kept = new Map<string, unknown>()
  readonly #opened = new OpenedArtifacts()
  readonly #blobs = new Map<string, Buffer>()
  readonly #auditor: Reevaluator

  constructor(corpus: Corpus, way: Way) {
    this.#corpus = corpus
    this.#way = way
    this.#governance = [readPublicKey(bytesOf(corpus.governance))]
    if (way === 'bare') AnswerCache.prototype.get = (_key, ask) => ask()
    this.#auditor = new Reevaluator(
      digest => this.#blobs.get(digest) ?? Promise.reject(new Error('no blob')),
      {
        governance: this.#governance,
      },
    )
    for (const text of [...corpus.parents.map(({ record }) => record), ...corpus.revocations.flat()])
      this.#put(bytesOf(text))
  }

  /** The bytes of the record of a decision, and the decision as it was made first. */
  async decide(it: Case): Promise<{ record: Buffer; decision: Decision }> {
    const input = this.#input(this.#way === 'bare' ? structuredClone(it) : it)
    if (this.#way === 'cached') {
      const known =
        input.artifact === null ? undefined : this.#opened.get(sentArtifact(input.artifact).digest)
      const before = decideBeforeOpen(input, known)
      if ('denied' in before) {
        // A daemon opens nothing then; what was observed is no part of such a record.
        const decision = decideAfterOpen(input, it.observed, known)
        return { record: decision.record, decision }
      }
      this.#opened.keep(before.opened)
      const decision = decideAfterOpen(input, it.observed, before.opened)
      return { record: decision.record, decision }
    }
    const decision = decideAfterOpen(input, it.observed)
    if (this.#way === 'bare') return { record: decision.record, decision }
    if (input.artifact !== null) this.#put(input.artifact)
    for (const document of [input.trustRoots, input.hostLabels, input.policy])
      if (document !== null) this.#put(document.envelope)
    this.#put(input.revocations.manifest)
    const { expected, same } = await this.#auditor.reevaluate(Buffer.from(decision.record))
    if (!same) throw new Error(`another record:\n${decision.record}\n${expected}`)
    return { record: expected, decision }
  }

  #put(bytes: Uint8Array): void {
    if (bytes.length <= MAX_ARTIFACT_BYTES || this.#blobs.size < 1000)
      this.#blobs.set(sha256Hex(bytes), Buffer.from(bytes))
  }

  /** Policies are compiled once in every way: that is no cache, and takes long. */
  #policy(at: number): PolicyBundle | null {
    const text = this.#corpus.policies[at]
    if (text == null) return null
    const known = this.#kept.get(`policy ${at}`) as PolicyBundle | undefined
    const made = known ?? openPolicyBundle(bytesOf(text), this.#governance)
    this.#kept.set(`policy ${at}`, made)
    return made
  }

  /** Something that is kept as the daemon keeps it, or made anew. */
  #once<T>(name: string, make: () => T): T {
    if (this.#way === 'bare') return make()
    const known = this.#kept.get(name) as T | undefined
    if (known !== undefined) return known
    const made = make()
    this.#kept.set(name, made)
    return made
  }

  #document<T>(kind: 'trustRoots' | 'labels', at: number, open: (bytes: Buffer) => T): T | null {
    const text = this.#corpus[kind][at]
    return text == null ? null : this.#once(`${kind} ${at}`, () => open(bytesOf(text)))
  }

  #artifact({ artifact, flips }: Case): Buffer | null {
    const text = this.#corpus.artifacts[artifact]
    if (text == null) return null
    const bytes = this.#once(`artifact ${artifact}`, () => bytesOf(text))
    if (flips.length === 0) return bytes
    const changed = Buffer.from(bytes)
    for (const { at, by } of flips) if (at < changed.length) changed[at] = (changed[at] ?? 0) ^ by
    return changed
  }

  #revocations(at: number): RevocationSet {
    const documents = this.#corpus.revocations[at] ?? []
    if (documents.length === 0) return RevocationSet.empty
    return this.#once(`revocations ${at}`, () => {
      let set = RevocationSet.empty
      for (const text of documents) {
        set = set.with(openRevocation(bytesOf(text), this.#governance))
        // Each set names the one before it.
        if (this.#way === 'replayed') this.#put(set.manifest)
      }
      return set
    })
  }

  #uses({ used, uncleanSince }: Case): UseTable {
    const uses = new UseTable()
    for (const { claim, times } of used) {
      const known = this.#corpus.claims[claim]
      for (let i = 0; i < times && known !== undefined; i++) uses.apply(known, '2027-01-01T00:00:00.000Z')
    }
    uses.setUncleanSince(uncleanSince)
    return uses
  }

  #input(it: Case): DecisionInput {
    const governance = this.#governance
    const parent = it.parent && this.#corpus.parents[it.parent.which]
    return {
      ...it.plain,
      artifact: this.#artifact(it),
      trustRoots: this.#document('trustRoots', it.trustRoots, bytes => openTrustRoots(bytes, governance)),
      hostLabels: this.#document('labels', it.labels, bytes => openHostLabels(bytes, governance)),
      policy: this.#policy(it.policy),
      revocations: this.#revocations(it.revocations),
      uses: this.#uses(it),
      parent:
        it.parent && parent
          ? {
              executionId: parent.executionId,
              live: it.parent.live,
              childrenStarted: it.parent.started,
              childrenRunning: it.parent.running,
              childrenLastMinute: it.parent.lastMinute,
              ancestors: it.parent.ancestors,
              decisionRecord: sha256Hex(bytesOf(parent.record)),
              terms: parent.terms,
            }
          : null,
    }
  }
}
