import type { OpenedArtifact } from '../authorization/index.ts'

/** Most artifacts that are kept, and the largest: together some 8 MiB with what was read from them. */
const MAX_ARTIFACTS = 256
const MAX_BYTES = 16 * 1024

/** Artifacts whose signatures were verified, by the digest of their envelope: one that comes again is not verified again. */
export class OpenedArtifacts {
  readonly #opened = new Map<string, OpenedArtifact>()

  get(digest: string): OpenedArtifact | undefined {
    return this.#opened.get(digest)
  }

  /** Keeps one that passed the first stage of a decision. The oldest makes room. */
  keep(opened: OpenedArtifact): void {
    const { sent } = opened
    if (sent === null || sent.size > MAX_BYTES) return
    this.#opened.delete(sent.digest)
    this.#opened.set(sent.digest, opened)
    const oldest = this.#opened.keys().next().value
    if (this.#opened.size > MAX_ARTIFACTS && oldest !== undefined) this.#opened.delete(oldest)
  }
}
