import { createHash } from 'node:crypto'
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { blobPath } from '../../lineage/index.ts'
import { encodeKnown, type Known, parseKnown } from '../../lineage/retention/bookkeeping.ts'
import { NamedSet, type StoredBlob, storedBlobs } from '../../lineage/retention/stored.ts'
import { temporaryDirectory } from './support/log.ts'

const digestOf = (text: string) => createHash('sha256').update(text).digest('hex')

function storeOf(names: readonly string[], length = 10): { directory: string; digests: string[] } {
  const directory = temporaryDirectory()
  const digests = names.map(digestOf)
  for (const digest of digests) {
    const path = join(directory, blobPath(digest))
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, Buffer.alloc(length))
  }
  return { directory, digests: digests.sort() }
}

const going = new AbortController().signal

async function walked(directory: string): Promise<StoredBlob[]> {
  const out = []
  for await (const blob of storedBlobs(directory)) out.push(blob)
  return out
}

describe('the blobs of a store', () => {
  it('come in the order of their digests, with the blocks that they take', async () => {
    const { directory, digests } = storeOf(
      Array.from({ length: 200 }, (_, n) => `${n}`),
      4097,
    )
    const found = await walked(directory)
    expect(found.map(({ digest }) => digest)).toEqual(digests)
    expect(new Set(found.map(({ bytes }) => bytes))).toEqual(new Set([8192]))
  })

  it('are regular files that are named like blobs; there may be none', async () => {
    const { directory, digests } = storeOf(['one'])
    const below = join(directory, 'evidence/sha256')
    mkdirSync(join(below, 'zz'))
    mkdirSync(join(below, '00', 'f'.repeat(62)), { recursive: true })
    writeFileSync(join(below, '00', 'README'), '')
    symlinkSync('/etc/passwd', join(below, '00', 'e'.repeat(62)))
    expect((await walked(directory)).map(({ digest }) => digest)).toEqual(digests)
    expect(await walked(temporaryDirectory())).toEqual([])
    chmodSync(below, 0o700)
  })

  it('are named or not, whatever the order in which that is said', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.nat(500), { maxLength: 60 }),
        fc.array(fc.tuple(fc.nat(500), fc.boolean()), { maxLength: 80 }),
        async (names, said) => {
          const { directory } = storeOf(names.map(String))
          const seen: string[] = []
          const set = await NamedSet.of(directory, going, ({ digest }) => seen.push(digest))
          const model = new Map(names.map(name => [digestOf(String(name)), false]))
          expect(seen.toSorted()).toEqual([...model.keys()].sort())
          for (const [name, named] of said) {
            const digest = digestOf(String(name))
            set.set(digest, named)
            if (model.has(digest)) model.set(digest, named)
          }
          for (let name = 0; name <= 500; name++) {
            const digest = digestOf(String(name))
            expect(set.isUnnamed(digest)).toBe(model.get(digest) === false)
          }
        },
      ),
      { numRuns: 15 },
    )
  })
})

const digest = fc.nat(1000).map(n => digestOf(String(n)))
const known: fc.Arbitrary<Known> = fc.nat(1e9).chain(size =>
  fc.nat(size).chain(before =>
    fc.record({
      size: fc.constant(size),
      root: digest,
      lasting: fc.uniqueArray(digest, { maxLength: 20 }).map(list => new Set(list)),
      before: fc.constant(before),
      running: before === 0 ? fc.constant([]) : fc.array(fc.nat(before - 1), { maxLength: 5 }),
      held: before === 0 ? fc.constant([]) : fc.array(fc.nat(before - 1), { maxLength: 5 }),
      bytes: fc.option(fc.nat(2 ** 31), { nil: null }),
    }),
  ),
)

describe('the bookkeeping', () => {
  test('is read as it was written', () => {
    fc.assert(
      fc.property(known, value => {
        expect(parseKnown(encodeKnown(value))).toEqual(value)
      }),
    )
  })

  test('with any byte changed, cut or put in is none', () => {
    fc.assert(
      fc.property(
        known,
        fc.nat(),
        fc.nat(3),
        fc.uint8Array({ maxLength: 3 }),
        (value, at, remove, insert) => {
          const good = encodeKnown(value)
          const from = at % (good.length + 1)
          const bad = Buffer.concat([good.subarray(0, from), insert, good.subarray(from + remove)])
          if (bad.equals(good)) return
          let read: Known | undefined
          try {
            read = parseKnown(bad)
          } catch {
            return
          }
          // White space between the tokens is no change.
          expect(read).toEqual(value)
        },
      ),
      { numRuns: 500 },
    )
  })

  test('that contradicts itself is none, with a digest that fits too', () => {
    const good: Known = {
      size: 5,
      root: digestOf('r'),
      lasting: new Set(),
      before: 3,
      running: [2],
      held: [0],
      bytes: 1,
    }
    expect(parseKnown(encodeKnown(good))).toEqual(good)
    const wrong: Partial<Record<keyof Known, unknown>>[] = [
      { before: 6 },
      { running: [3] },
      { held: [-1] },
      { size: 1.5 },
      { root: 'x' },
      { lasting: new Set(['x']) },
      { bytes: -1 },
    ]
    for (const change of wrong)
      expect(() => parseKnown(encodeKnown({ ...good, ...change } as Known)), JSON.stringify(change)).toThrow()
    expect(() => parseKnown(Buffer.from('{}'))).toThrow()
  })
})
