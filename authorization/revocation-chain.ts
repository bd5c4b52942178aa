import type { PublicKey } from '../signing/key.ts'
import { AuthorizationError } from './error.ts'
import { openRevocation, readRevocation } from './revocation.ts'
import { parseRevocationLink, RevocationSet } from './revocation-set.ts'

/** Sets of revocations by their digest, read from evidence. Each document is read once, however many records name it or a later one. */
export class RevocationChain {
  readonly #known = new Map([[RevocationSet.empty.digest, RevocationSet.empty]])
  readonly #blob: (digest: string) => Promise<Buffer>
  readonly #governance: readonly PublicKey[] | null

  /**
   * @param blob gives a blob, checked against its digest
   * @param governance null: documents are read without their signatures
   */
  constructor(blob: (digest: string) => Promise<Buffer>, governance: readonly PublicKey[] | null) {
    this.#blob = blob
    this.#governance = governance
  }

  /** Takes a set over that somebody has checked by himself. */
  add(set: RevocationSet): void {
    this.#known.set(set.digest, set)
  }

  /**
   * The set of this digest: back to one that is known, and on from there, document by document.
   *
   * @throws AuthorizationError when a link or document is missing, altered, malformed, or not signed by a governance key that was good then
   */
  async get(digest: string): Promise<RevocationSet> {
    const unread: { readonly digest: string; readonly document: string }[] = []
    let at = digest
    let set = this.#known.get(at)
    while (set === undefined) {
      const { previous, document } = parseRevocationLink(await this.#blob(at))
      if (previous === null || document === null) throw malformed(at)
      unread.push({ digest: at, document })
      at = previous
      set = this.#known.get(at)
    }
    for (const link of unread.reverse()) {
      set = set.with(this.#open(await this.#blob(link.document), set))
      if (set.digest !== link.digest) throw malformed(link.digest)
      this.add(set)
    }
    return set
  }

  #open(envelope: Buffer, before: RevocationSet): ReturnType<typeof readRevocation> {
    const governance = this.#governance
    if (governance === null) return readRevocation(envelope)
    return openRevocation(
      envelope,
      governance.filter(({ id }) => !before.has('key', id)),
    )
  }
}

function malformed(digest: string): AuthorizationError {
  return new AuthorizationError('RECORD_MALFORMED', 'a manifest of revocations is not canonical', {
    at: digest,
  })
}
