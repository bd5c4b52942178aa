import * as v from 'valibot'
import { sha256Hex } from '../encoding/digest.ts'
import { canonicalJsonBytes } from '../encoding/json.ts'
import { AuthorizationError } from './error.ts'
import { REVOCATION_KINDS, type Revocation, type RevocationKind } from './revocation.ts'
import { digest, parseDocument } from './schema.ts'

/** Most things that one host keeps as revoked, about 150 bytes each: nothing is ever taken back, so there has to be an end. */
export const MAX_REVOKED = 1 << 20

/** What a revocation can hit, keys apart. */
export interface Revocable {
  readonly artifactDigest: string | null
  readonly subjectDigests: readonly string[]
  /** The execution itself and its ancestors. */
  readonly executionIds: readonly string[]
  /** The host that it is on. */
  readonly hostId: string
  /** Digest of the policy bundle in force; null if none is. */
  readonly policyDigest: string | null
}

/** One thing that is revoked. */
export interface Revoked {
  readonly kind: RevocationKind
  readonly id: string
  /** Of the document that revoked it first. */
  readonly epoch: number
}

/** A document and all before it: what decision records name by its digest. */
export interface RevocationLink {
  /** Digest of the link before it; null for the first. */
  readonly previous: string | null
  /** Digest of the envelope; null where nothing is revoked. */
  readonly document: string | null
}

const linkSchema = v.strictObject({
  v: v.literal(1),
  previous: v.nullable(digest),
  document: v.nullable(digest),
})

function linkBytes(link: RevocationLink): Buffer {
  return canonicalJsonBytes({ v: 1, ...link })
}

/** Parses a link. @throws AuthorizationError `REVOCATION_MALFORMED` */
export function parseRevocationLink(bytes: Uint8Array): RevocationLink {
  const { previous, document } = parseDocument(linkSchema, bytes, 'REVOCATION_MALFORMED', {
    maxBytes: 1024,
    maxDepth: 2,
  })
  return { previous, document }
}

/**
 * All that a chain of documents revokes, in their order. Sets of one chain share it: each sees as much of it as there was when it was made. Kept in
 * parts, so that none ever grows by a copy of all (V8 doubles a Map, and hashes it anew).
 */
class Chain {
  readonly #parts: Map<string, number>[] = Array.from({ length: 256 }, () => new Map())
  readonly #keys: string[] = []
  readonly #epochs: number[] = []

  get size(): number {
    return this.#keys.length
  }

  /** When it came, in the order of all; undefined if it is not there. */
  place(key: string): number | undefined {
    return this.#part(key).get(key)
  }

  add(key: string, epoch: number): void {
    const part = this.#part(key)
    if (part.has(key)) return
    part.set(key, this.#keys.length)
    this.#keys.push(key)
    this.#epochs.push(epoch)
  }

  at(place: number): Revoked {
    const key = this.#keys[place] ?? ''
    const kind = REVOCATION_KINDS[key.charCodeAt(0)]
    if (kind === undefined) throw new RangeError(`nothing is at ${place}`)
    return { kind, id: Buffer.from(key.slice(1), 'latin1').toString('hex'), epoch: this.#epochs[place] ?? 0 }
  }

  /** The first `size` of it, as a chain of its own. */
  copy(size: number): Chain {
    const chain = new Chain()
    for (let i = 0; i < size; i++) chain.add(this.#keys[i] ?? '', this.#epochs[i] ?? 0)
    return chain
  }

  /** All ids are digests, random, or names made of digests: their last byte tells them apart well. */
  #part(key: string): Map<string, number> {
    return this.#parts[key.charCodeAt(key.length - 1) & 0xff] as Map<string, number>
  }
}

/** The bytes of an id with its kind before them: half as long as its text, and no part of a document that it would keep in memory. */
function keyOf(kind: RevocationKind, id: string): string {
  return String.fromCharCode(REVOCATION_KINDS.indexOf(kind)) + Buffer.from(id, 'hex').toString('latin1')
}

/**
 * All that is revoked: the fold of the revocation documents in the order they came. Nothing is ever taken back.
 * Immutable: {@link with} gives a new set, so that a decision in progress keeps the one that it began with. A set costs what was added to it.
 */
export class RevocationSet {
  static readonly empty = new RevocationSet(new Chain(), 0, 0, { previous: null, document: null })

  readonly #chain: Chain
  /** How much of the chain belongs to it. */
  readonly size: number
  /** Epoch of the newest document; 0 if there is none. */
  readonly epoch: number
  /** The newest document and, by digest, all before it: canonical JSON (see {@link parseRevocationLink}). */
  readonly manifest: Buffer
  /** SHA-256 of the manifest: what decision records name. */
  readonly digest: string

  private constructor(chain: Chain, size: number, epoch: number, link: RevocationLink) {
    this.#chain = chain
    this.size = size
    this.epoch = epoch
    this.manifest = linkBytes(link)
    this.digest = sha256Hex(this.manifest)
  }

  /**
   * The set with more documents, in order.
   *
   * @throws AuthorizationError `ROLLED_BACK` when an epoch is not above the last; `REVOCATIONS_FULL` beyond {@link MAX_REVOKED}
   */
  with(...added: readonly Revocation[]): RevocationSet {
    return added.reduce<RevocationSet>((set, document) => set.#with(document), this)
  }

  #with({ epoch, revoke, envelopeDigest }: Revocation): RevocationSet {
    if (epoch <= this.epoch) {
      const what = `a revocation of epoch ${epoch} cannot follow epoch ${this.epoch}`
      throw new AuthorizationError('ROLLED_BACK', what, { at: 'epoch' })
    }
    const items = REVOCATION_KINDS.flatMap(kind => (revoke[kind] ?? []).map(id => keyOf(kind, id)))
    if (this.size + items.length > MAX_REVOKED) {
      const what = `${this.size} are revoked here, at most ${MAX_REVOKED} can be`
      throw new AuthorizationError('REVOCATIONS_FULL', what, { at: 'revoke' })
    }
    // What another document added after this set did not come into force, or belongs to somebody else's.
    const isNewest = this.#chain.size === this.size && this.size > 0
    const chain = isNewest ? this.#chain : this.#chain.copy(this.size)
    for (const key of items) chain.add(key, epoch)
    return new RevocationSet(chain, chain.size, epoch, { previous: this.digest, document: envelopeDigest })
  }

  has(kind: RevocationKind, id: string): boolean {
    const place = this.#chain.place(keyOf(kind, id))
    return place !== undefined && place < this.size
  }

  /**
   * What is revoked, oldest first.
   *
   * @param from how many to leave out
   * @param most how many to give
   */
  list(from = 0, most = Number.POSITIVE_INFINITY): Revoked[] {
    const to = Math.min(this.size, from + most)
    return Array.from({ length: Math.max(0, to - from) }, (_, i) => this.#chain.at(from + i))
  }

  /** All of `it` that is revoked, keys apart: how many are missing depends on who else signed. */
  hits(it: Revocable): { readonly kind: RevocationKind; readonly id: string }[] {
    if (this.size === 0) return []
    const one = (id: string | null) => (id === null ? [] : [id])
    const named: [RevocationKind, readonly string[]][] = [
      ['artifact', one(it.artifactDigest)],
      ['program', it.subjectDigests],
      ['execution', it.executionIds],
      ['host', one(it.hostId)],
      ['policy', one(it.policyDigest)],
    ]
    return named.flatMap(([kind, ids]) => ids.filter(id => this.has(kind, id)).map(id => ({ kind, id })))
  }
}
