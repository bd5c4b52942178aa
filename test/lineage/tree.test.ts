import { expect, it } from 'vitest'
import { leafHash } from '../../lineage/tree/merkle.ts'
import { TilePyramid } from '../../lineage/tree/tile-pyramid.ts'
import { Tree } from '../../lineage/tree/tree.ts'

const never = () => Promise.reject(new Error('nothing is on disk'))

/*
 * Tiles are written some at a time, and the tail is let go of as far as bundles are on disk. A tile above that came after its last tile of entries would
 * be missing after a crash in between, and the log would not open.
 */
it('gives no tile of entries to the disk before those above that it completes', async () => {
  const tree = await Tree.load(0, never)
  for (let n = 0; n < 65_536 + 20_000; n++) tree.append(leafHash(Buffer.from(String(n))))
  const levels = [...tree.fullTiles()].map(({ level }) => level)
  expect(levels.filter(level => level === 1)).toEqual([1])
  expect(levels).toEqual(levels.toSorted((a, b) => b - a))
})

it('takes nothing from a tile on disk that is not under the hash above it', async () => {
  const tree = await Tree.load(0, never)
  for (let n = 0; n < 1000; n++) tree.append(leafHash(Buffer.from(String(n))))
  const tiles = [...tree.fullTiles()].map(({ hashes }) => Buffer.concat(hashes))
  const read = async (_: number, index: number) => Buffer.from(tiles[index] as Buffer)
  const loaded = await Tree.load(768, read)
  expect(await loaded.tile(0, 1, 3)).toEqual(await tree.tile(0, 1, 3))
  expect(await loaded.node(5, 9)).toEqual(await tree.node(5, 9))
  for (const at of [0, 31, 4000, 8191]) {
    const tile = tiles[2] as Buffer
    tile.writeUInt8(tile.readUInt8(at) ^ 0x80, at)
    await expect(loaded.recheck(0, 2)).rejects.toMatchObject({ code: 'LINEAGE_BROKEN', at: 'tile/0/002' })
    await expect(loaded.node(0, 600)).rejects.toMatchObject({ code: 'LINEAGE_BROKEN', at: 'tile/0/002' })
    tile.writeUInt8(tile.readUInt8(at) ^ 0x80, at)
    await loaded.recheck(0, 2)
  }
})

it('a pyramid has the nodes of its tile', async () => {
  const tree = await Tree.load(0, never)
  for (let n = 0; n < 256; n++) tree.append(leafHash(Buffer.from(String(n))))
  const pyramid = new TilePyramid(Buffer.concat(await tree.tile(0, 0, 256)))
  for (let height = 0; height < 8; height++)
    for (let index = 0; index < 256 >> height; index++)
      expect(pyramid.node(height, index)).toEqual(await tree.node(height, index))
  expect(pyramid.root).toEqual(tree.root())
})
