import { EMPTY_ROOT, foldPerfect, nodeHash } from './merkle.ts'

/** Gives the hash of the complete subtree over entries [index·2^height, (index+1)·2^height). */
export type NodeReader = (height: number, index: number) => Promise<Buffer>

/** The largest power of two smaller than `n` (n ≥ 2), and its exponent. */
function split(n: number): { k: number; height: number } {
  let k = 1
  let height = 0
  while (k * 2 < n) {
    k *= 2
    height++
  }
  return { k, height }
}

/**
 * MTH(D[lo:hi]) (RFC 6962 section 2.1), for a `lo` that is a multiple of the largest power of two in the range, as it is
 * in every use below.
 */
export async function rangeRoot(read: NodeReader, lo: number, hi: number): Promise<Buffer> {
  const n = hi - lo
  if (n === 0) return EMPTY_ROOT
  if (n === 1) return read(0, lo)
  const { k, height } = split(n)
  if (k * 2 === n) return read(height + 1, lo / n)
  return nodeHash(await read(height, lo / k), await rangeRoot(read, lo + k, hi))
}

/** PATH(m, D[lo:hi]) with m relative to lo: the inclusion proof, leaf side first (RFC 6962 section 2.1.1). */
export async function inclusionPath(read: NodeReader, m: number, lo: number, hi: number): Promise<Buffer[]> {
  if (hi - lo === 1) return []
  const { k } = split(hi - lo)
  return m < k
    ? [...(await inclusionPath(read, m, lo, lo + k)), await rangeRoot(read, lo + k, hi)]
    : [...(await inclusionPath(read, m - k, lo + k, hi)), await rangeRoot(read, lo, lo + k)]
}

/** The inclusion proof of one of these leaves in the tree that they make. */
export function proveInclusion(leaves: readonly Buffer[], index: number): Promise<Buffer[]> {
  const read: NodeReader = async (height, i) =>
    foldPerfect(leaves.slice(i * 2 ** height, (i + 1) * 2 ** height))
  return inclusionPath(read, index, 0, leaves.length)
}

/** PROOF(m, D[n]): that the tree of m entries is a prefix of the tree of n entries (RFC 6962 section 2.1.2). */
export async function consistencyPath(read: NodeReader, m: number, n: number): Promise<Buffer[]> {
  return m === 0 || m === n ? [] : subproof(read, m, 0, n, true)
}

async function subproof(
  read: NodeReader,
  m: number,
  lo: number,
  hi: number,
  whole: boolean,
): Promise<Buffer[]> {
  if (m === hi - lo) return whole ? [] : [await rangeRoot(read, lo, hi)]
  const { k } = split(hi - lo)
  return m <= k
    ? [...(await subproof(read, m, lo, lo + k, whole)), await rangeRoot(read, lo + k, hi)]
    : [...(await subproof(read, m - k, lo + k, hi, false)), await rangeRoot(read, lo, lo + k)]
}
