import { EMPTY_ROOT, nodeHash } from '../tree/merkle.ts'

/** Sizes that are kept. A checkpoint's entry comes as many entries behind its size as were appended while the TPM signed, seldom more than some hundreds. */
const KEPT = 1 << 14

/** A tree's right edge, the smallest subtree first. Edges share what they have in common, so that one more costs one object. */
interface Edge {
  readonly hash: Buffer
  readonly next: Edge | null
}

/** The newest trees of a growing log, each by its size: what a pass over the entries has to remember to say what root the tree had a little while ago. */
export class RecentTrees {
  readonly #edges: (Edge | null)[] = new Array(KEPT).fill(null)
  #edge: Edge | null = null
  #size = 0
  #height = 0
  #subtree: Buffer = EMPTY_ROOT

  /** Is told of each subtree that a new leaf completes, the largest last. */
  readonly completed = (height: number, subtree: Buffer): void => {
    this.#height = height
    this.#subtree = subtree
  }

  /** The leaf and its subtrees are complete. */
  appended(): void {
    let next = this.#edge
    for (let merged = 0; merged < this.#height; merged++) next = next?.next ?? null
    this.#edge = { hash: this.#subtree, next }
    this.#size++
    this.#edges[this.#size % KEPT] = this.#edge
  }

  /** The root at some size that the log has had; undefined if that is too long ago. */
  rootAt(size: number): Buffer | undefined {
    if (size > this.#size || size <= this.#size - KEPT) return undefined
    if (size === 0) return EMPTY_ROOT
    const edge = this.#edges[size % KEPT]
    if (edge === null || edge === undefined) return undefined
    let root = edge.hash
    for (let left = edge.next; left !== null; left = left.next) root = nodeHash(left.hash, root)
    return root
  }
}
