import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  CompactRange,
  EMPTY_ROOT,
  leafHash,
  nodeHash,
  verifyConsistency,
  verifyInclusion,
} from '../../lineage/tree/merkle.ts'
import { consistencyPath, inclusionPath, type NodeReader, rangeRoot } from '../../lineage/tree/proof.ts'
import { hasVectors, VECTORS, vectorCases } from './support/vectors.ts'

/** The eight leaves of the test vectors that certificate-transparency implementations share, and the roots of their trees. */
const LEAVES = [
  '',
  '00',
  '10',
  '2021',
  '3031',
  '40414243',
  '5051525354555657',
  '606162636465666768696a6b6c6d6e6f',
]
const ROOTS = [
  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
]

/** MTH as RFC 6962 section 2.1 writes it. */
function reference(leaves: readonly Buffer[]): Buffer {
  if (leaves.length === 0) return EMPTY_ROOT
  if (leaves.length === 1) return leaves[0] as Buffer
  let k = 1
  while (k * 2 < leaves.length) k *= 2
  return nodeHash(reference(leaves.slice(0, k)), reference(leaves.slice(k)))
}

const leaves = Array.from({ length: 300 }, (_, i) => leafHash(Buffer.from(`entry ${i}`)))
const roots = Array.from({ length: 301 }, (_, n) => reference(leaves.slice(0, n)))
const read: NodeReader = async (height, index) =>
  reference(leaves.slice(index * 2 ** height, (index + 1) * 2 ** height))

describe('merkle tree', () => {
  it('makes the roots of the shared test vectors', () => {
    const range = new CompactRange()
    expect(range.root().toString('hex')).toBe(ROOTS[0])
    for (const [i, leaf] of LEAVES.entries()) {
      range.append(leafHash(Buffer.from(leaf, 'hex')))
      expect(range.root().toString('hex')).toBe(ROOTS[i + 1])
    }
  })

  it('agrees with the recursive definition at every size', async () => {
    const range = new CompactRange()
    for (const [i, leaf] of leaves.entries()) {
      range.append(leaf)
      expect(range.root()).toEqual(roots[i + 1])
      expect(await rangeRoot(read, 0, i + 1)).toEqual(roots[i + 1])
    }
  })

  it('proves inclusion and consistency, and nothing else', async () => {
    const sizes = fc.integer({ min: 1, max: 300 })
    await fc.assert(
      fc.asyncProperty(sizes, sizes, fc.nat(), fc.nat({ max: 255 }), async (a, b, at, bit) => {
        const [m, n] = a < b ? [a, b] : [b, a]
        const index = at % n
        const root = roots[n] as Buffer
        const inclusion = await inclusionPath(read, index, 0, n)
        const claim = { leafHash: leaves[index] as Buffer, index: BigInt(index), size: BigInt(n), root }
        expect(verifyInclusion({ ...claim, proof: inclusion })).toBe(true)
        expect(verifyInclusion({ ...claim, proof: [...inclusion, root] })).toBe(false)
        expect(verifyInclusion({ ...claim, proof: inclusion.slice(1) })).toBe(n === 1)
        expect(verifyInclusion({ ...claim, index: claim.index + 1n, proof: inclusion })).toBe(false)
        const consistency = await consistencyPath(read, m, n)
        const pair = { size1: BigInt(m), size2: BigInt(n), root1: roots[m] as Buffer, root2: root }
        expect(verifyConsistency({ ...pair, proof: consistency })).toBe(true)
        expect(verifyConsistency({ ...pair, proof: [...consistency, root] })).toBe(false)
        const other = Buffer.from(root)
        other.writeUInt8(other.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
        expect(verifyInclusion({ ...claim, root: other, proof: inclusion })).toBe(false)
        expect(verifyConsistency({ ...pair, root2: other, proof: consistency })).toBe(false)
        expect(verifyConsistency({ ...pair, root1: other, proof: consistency })).toBe(false)
      }),
      { numRuns: 300 },
    )
  })

  it('takes no proof that is too short, though what it comes to is the root', () => {
    const root = roots[2] as Buffer
    expect(verifyInclusion({ leafHash: root, index: 0n, size: 2n, proof: [], root })).toBe(false)
    expect(verifyConsistency({ size1: 1n, size2: 2n, proof: [], root1: root, root2: root })).toBe(false)
  })

  it('takes no proof of absurd length and no hash of another length', () => {
    const leaf = leaves[0] as Buffer
    const proof = Array.from({ length: 100_000 }, () => leaf)
    expect(verifyInclusion({ leafHash: leaf, index: 0n, size: 2n ** 63n, proof, root: leaf })).toBe(false)
    expect(
      verifyInclusion({ leafHash: leaf.subarray(1), index: 0n, size: 1n, proof: [], root: leaf.subarray(1) }),
    ).toBe(false)
  })
})

describe.skipIf(!hasVectors)('merkle vectors from WRIT_FIXTURES', () => {
  const cases = vectorCases('merkle').filter(({ expected }) => expected.type !== undefined)
  /** JSON numbers of these vectors go to 2^64. */
  const load = (path: string) =>
    JSON.parse(
      readFileSync(join(VECTORS, path), 'utf8').replace(
        /("(?:leafIdx|treeSize|size1|size2)":\s*)([0-9]+)/g,
        '$1"$2"',
      ),
    )
  const bytes = (text: string | null) => Buffer.from(text ?? '', 'base64')

  it('has cases', () => {
    expect(cases.length).toBeGreaterThan(100)
  })

  it.each(cases.map(({ path, expected }) => [path, expected]))('%s', (path, expected) => {
    const vector = load(path)
    const proof = (vector.proof ?? []).map(bytes)
    const valid =
      expected.type === 'inclusion'
        ? verifyInclusion({
            leafHash: bytes(vector.leafHash),
            index: BigInt(vector.leafIdx),
            size: BigInt(vector.treeSize),
            root: bytes(vector.root),
            proof,
          })
        : verifyConsistency({
            size1: BigInt(vector.size1),
            size2: BigInt(vector.size2),
            root1: bytes(vector.root1),
            root2: bytes(vector.root2),
            proof,
          })
    expect(valid).toBe(expected.valid)
  })
})
