import { describe, expect, it } from 'vitest'
import { decodeBundle, encodeBundle } from '../../lineage/c2sp/entry-bundle.ts'
import { parseTilePath, tilePath, tilesOf } from '../../lineage/c2sp/tile-path.ts'
import { LineageError } from '../../lineage/index.ts'

describe('tile path', () => {
  it.each([
    [{ level: 0, index: 0, width: 256 }, 'tile/0/000'],
    // The example of C2SP tlog-tiles.
    [{ level: 3, index: 1234067, width: 256 }, 'tile/3/x001/x234/067'],
    [{ level: 0, index: 1234, width: 7 }, 'tile/0/x001/234.p/7'],
    [{ level: 'entries', index: 999, width: 255 }, 'tile/entries/999.p/255'],
    [{ level: 63, index: 1000, width: 1 }, 'tile/63/x001/000.p/1'],
  ] as const)('%j is %s', (name, path) => {
    expect(tilePath(name)).toBe(path)
    expect(parseTilePath(path)).toEqual(name)
  })

  it.each([
    'tile/64/000',
    'tile/00/000',
    'tile/-1/000',
    'tile/0/00',
    'tile/0/x000/001',
    'tile/0/001/002',
    'tile/0/x001/x002',
    'tile/0/000.p/0',
    'tile/0/000.p/256',
    'tile/0/000.p/01',
    'tile/0/000/',
    'tile/0/x999/x999/x999/x999/x999/999',
    'tile/entries/../000',
    '/tile/0/000',
    '',
  ])('%j is refused', path => {
    expect(() => parseTilePath(path)).toThrow(LineageError)
  })

  it('lists the tiles of the example tree of C2SP tlog-tiles', () => {
    const paths = [...tilesOf(70_000)].map(tilePath)
    const levelZero = paths.filter(path => path.startsWith('tile/0/'))
    expect(levelZero.length).toBe(274)
    expect(levelZero.at(-1)).toBe('tile/0/273.p/112')
    expect(paths.filter(path => /^tile\/[1-9]/.test(path))).toEqual([
      'tile/1/000',
      'tile/1/001.p/17',
      'tile/2/000.p/1',
    ])
    expect([...tilesOf(256)].map(tilePath)).toEqual(['tile/entries/000', 'tile/0/000', 'tile/1/000.p/1'])
    expect([...tilesOf(0)]).toEqual([])
  })
})

describe('entry bundle', () => {
  const entries = ['', 'a', 'bc'].map(text => Buffer.from(text))
  const bytes = encodeBundle(entries)

  it('is read back as it was written', () => {
    expect(bytes.toString('hex')).toBe('0000000161' + '00026263')
    expect(decodeBundle(bytes, 3)).toEqual(entries)
    expect(decodeBundle(bytes, 2, false)).toEqual(entries.slice(0, 2))
  })

  it.each([
    ['a missing entry', bytes, 4],
    ['an entry too many', bytes, 2],
    ['a cut entry', bytes.subarray(0, -1), 3],
    ['a cut length', bytes.subarray(0, -3), 3],
  ])('is refused with %s', (_, broken, count) => {
    expect(() => decodeBundle(broken, count)).toThrow(LineageError)
  })
})
