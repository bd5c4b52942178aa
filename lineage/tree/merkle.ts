import { hash } from 'node:crypto'

/** Bytes of a SHA-256 hash. */
export const HASH_SIZE = 32

/** The hash of a tree with no entries: SHA-256 of nothing (RFC 6962 section 2.1). */
export const EMPTY_ROOT: Buffer = sha256('')

const node = Buffer.alloc(1 + 2 * HASH_SIZE)
node[0] = 0x01
let leaf = Buffer.alloc(1 + 4096)

/** MTH({d}) = SHA-256(0x00 ‖ entry) (RFC 6962 section 2.1). */
export function leafHash(entry: Uint8Array): Buffer {
  if (leaf.length < entry.length + 1) leaf = Buffer.alloc(entry.length + 1)
  leaf.set(entry, 1)
  return sha256(leaf.subarray(0, entry.length + 1))
}

/** SHA-256(0x01 ‖ left ‖ right) (RFC 6962 section 2.1). */
export function nodeHash(left: Uint8Array, right: Uint8Array): Buffer {
  node.set(left, 1)
  node.set(right, 1 + HASH_SIZE)
  return sha256(node)
}

/** Writes, at `to`, the hash of the node whose children are the two hashes that lie side by side at `from` of the same bytes. */
export function writePairHash(bytes: Buffer, from: number, to: number): void {
  bytes.copy(node, 1, from, from + 2 * HASH_SIZE)
  bytes.write(hash('sha256', node, 'latin1'), to, HASH_SIZE, 'latin1')
}

/**
 * SHA-256 by way of a string: its bytes then come out of Node's buffer pool, where `'buffer'` makes an ArrayBuffer for each. At two hashes an
 * entry that is 40 % of the time of an append.
 */
function sha256(bytes: Uint8Array | string): Buffer {
  return Buffer.from(hash('sha256', bytes, 'latin1'), 'latin1')
}

/** The root of 2^n hashes. */
export function foldPerfect(hashes: readonly Buffer[]): Buffer {
  let row = hashes
  while (row.length > 1) {
    const next: Buffer[] = []
    for (let i = 0; i + 1 < row.length; i += 2) next.push(nodeHash(row[i] as Buffer, row[i + 1] as Buffer))
    row = next
  }
  return row[0] as Buffer
}

/**
 * The right edge of a growing tree: one hash per set bit of the size, the largest subtree first. Adding an entry costs
 * one interior hash on average.
 */
export class CompactRange {
  #size: number
  readonly #nodes: Buffer[]

  constructor(size = 0, nodes: readonly Buffer[] = []) {
    this.#size = size
    this.#nodes = [...nodes]
  }

  get size(): number {
    return this.#size
  }

  /** Adds a leaf; `emit` is told of each subtree that becomes complete, by height (0 is the leaf itself). */
  append(leafHashed: Buffer, emit?: (height: number, subtree: Buffer) => void): void {
    let subtree = leafHashed
    let height = 0
    emit?.(0, subtree)
    for (let rest = this.#size; rest % 2 === 1; rest = (rest - 1) / 2) {
      subtree = nodeHash(this.#nodes.pop() as Buffer, subtree)
      emit?.(++height, subtree)
    }
    this.#nodes.push(subtree)
    this.#size++
  }

  /** The tree's root. */
  root(): Buffer {
    let root = this.#nodes.at(-1)
    if (root === undefined) return EMPTY_ROOT
    for (let i = this.#nodes.length - 2; i >= 0; i--) root = nodeHash(this.#nodes[i] as Buffer, root)
    return root
  }
}

/** Most hashes in a proof that is looked at: a tree of 2^64 entries needs 64, a consistency proof one more. */
const MAX_PROOF = 65

/**
 * Whether `proof` shows that the leaf is entry `index` of the tree of `size` entries with `root`
 * (RFC 9162 section 2.1.3.2). Everything here may be an attacker's; whatever does not fit is false.
 */
export function verifyInclusion(input: {
  leafHash: Uint8Array
  index: bigint
  size: bigint
  proof: readonly Uint8Array[]
  root: Uint8Array
}): boolean {
  const { index, size, proof } = input
  if (index < 0n || index >= size || !wellFormed(input.leafHash, input.root, ...proof)) return false
  let fn = index
  let sn = size - 1n
  let r: Uint8Array = input.leafHash
  for (const p of proof) {
    if (sn === 0n) return false
    if ((fn & 1n) === 1n || fn === sn) {
      r = nodeHash(p, r)
      while ((fn & 1n) === 0n && fn !== 0n) {
        fn >>= 1n
        sn >>= 1n
      }
    } else {
      r = nodeHash(r, p)
    }
    fn >>= 1n
    sn >>= 1n
  }
  return sn === 0n && Buffer.compare(r, input.root) === 0
}

/**
 * Whether `proof` shows that the tree (`size1`, `root1`) is a prefix of the tree (`size2`, `root2`)
 * (RFC 9162 section 2.1.4.2). A tree of no entries is a prefix of each, with an empty proof.
 */
export function verifyConsistency(input: {
  size1: bigint
  size2: bigint
  proof: readonly Uint8Array[]
  root1: Uint8Array
  root2: Uint8Array
}): boolean {
  const { size1, size2, proof, root1, root2 } = input
  if (size1 < 0n || size1 > size2 || !wellFormed(root1, root2, ...proof)) return false
  if (size1 === 0n && Buffer.compare(root1, EMPTY_ROOT) !== 0) return false
  if (size1 === size2) return proof.length === 0 && Buffer.compare(root1, root2) === 0
  if (size1 === 0n) return proof.length === 0
  // Step 2: a tree of 2^n entries is a node of the larger one, and the proof leaves it out.
  const path = (size1 & (size1 - 1n)) === 0n ? [root1, ...proof] : [...proof]
  let fn = size1 - 1n
  let sn = size2 - 1n
  while ((fn & 1n) === 1n) {
    fn >>= 1n
    sn >>= 1n
  }
  const seed = path[0]
  if (seed === undefined) return false
  let fr = seed
  let sr = seed
  for (const c of path.slice(1)) {
    if (sn === 0n) return false
    if ((fn & 1n) === 1n || fn === sn) {
      fr = nodeHash(c, fr)
      sr = nodeHash(c, sr)
      while ((fn & 1n) === 0n && fn !== 0n) {
        fn >>= 1n
        sn >>= 1n
      }
    } else {
      sr = nodeHash(sr, c)
    }
    fn >>= 1n
    sn >>= 1n
  }
  return sn === 0n && Buffer.compare(fr, root1) === 0 && Buffer.compare(sr, root2) === 0
}

function wellFormed(...hashes: readonly Uint8Array[]): boolean {
  return hashes.length <= MAX_PROOF + 2 && hashes.every(hashed => hashed.length === HASH_SIZE)
}
