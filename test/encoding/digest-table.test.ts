import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { sha256, sha256Hex } from '../../encoding/digest.ts'
import { DigestSet, DigestTable } from '../../encoding/digest-table.ts'

const VALUE_BYTES = 3

/** Few keys, of which many have their part and their hash in common: they differ in the bytes behind only. */
const key = fc
  .tuple(fc.constantFrom(0, 1, 255), fc.constantFrom(0, 0xff), fc.nat(40))
  .map(([part, hash, n]) => Buffer.concat([Buffer.of(part), Buffer.alloc(30, hash), Buffer.of(n)]))
const value = fc.uint8Array({ minLength: VALUE_BYTES, maxLength: VALUE_BYTES }).map(it => Buffer.from(it))
const step = fc.oneof(
  { weight: 12, arbitrary: fc.record({ kind: fc.constant('set' as const), key, value }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('prune' as const), below: fc.nat(255) }) },
)

describe('a table of digests', () => {
  it('is a map whose rows are ordered by their key', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300, size: 'max' }), steps => {
        const table = new DigestTable(VALUE_BYTES)
        const map = new Map<string, Buffer>()
        for (const it of steps) {
          if (it.kind === 'set') {
            table.set(it.key, it.value)
            map.set(it.key.toString('hex'), it.value)
          } else {
            for (let part = 0; part < table.parts; part++)
              table.prune(part, (_, value) => (value[0] as number) >= it.below)
            for (const [name, value] of map) if ((value[0] as number) < it.below) map.delete(name)
          }
        }
        const rows = [...map].sort(([a], [b]) => (a < b ? -1 : 1))
        expect([table.size, table.byteLength]).toEqual([map.size, map.size * (32 + VALUE_BYTES)])
        expect([...table.entries()].map(({ key, value }) => [key.toString('hex'), value])).toEqual(rows)
        for (const [name, value] of rows) expect(table.get(Buffer.from(name, 'hex'))).toEqual(value)
        const all = Buffer.concat(rows.flatMap(([name, value]) => [Buffer.from(name, 'hex'), value]))
        expect(Buffer.concat(Array.from({ length: table.parts }, (_, part) => table.rows(part)))).toEqual(all)
      }),
      { numRuns: 60 },
    )
  })

  it('grows, and finds each of many', () => {
    const table = new DigestTable(4)
    const nth = (n: number) => sha256(Buffer.from(`row ${n}`))
    const count = 20_000
    for (let n = 0; n < count; n++) {
      const value = Buffer.alloc(4)
      value.writeUInt32BE(n)
      table.set(nth(n), value)
    }
    expect(table.size).toBe(count)
    for (let n = 0; n < count; n++) {
      if (table.get(nth(n))?.readUInt32BE(0) !== n) throw new Error(`row ${n} is another one`)
      if (table.get(nth(-1 - n)) !== undefined) throw new Error(`there is a row ${-1 - n}`)
    }
  })

  it('changes a value in its place', () => {
    const table = new DigestTable(1)
    const [one, other] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)]
    for (const [key, value] of [[one, 1] as const, [other, 2] as const, [one, 3] as const])
      table.set(key, Buffer.of(value))
    expect([table.size, table.get(one)?.[0], table.get(other)?.[0]]).toEqual([2, 3, 2])
  })

  it('takes no key and no value of another length, and has nothing under such a key', () => {
    const table = new DigestTable(2)
    const key = Buffer.alloc(32, 7)
    table.set(key, Buffer.alloc(2))
    for (const wrong of [Buffer.alloc(0), key.subarray(1), Buffer.concat([key, Buffer.of(7)])]) {
      expect(() => table.set(wrong, Buffer.alloc(2))).toThrow(TypeError)
      expect(table.get(wrong)).toBeUndefined()
    }
    for (const wrong of [0, 1, 3]) expect(() => table.set(key, Buffer.alloc(wrong))).toThrow(TypeError)
    expect(table.size).toBe(1)
  })
})

describe('a set of digests', () => {
  it('has what was added, once each, in order', () => {
    const digests = Array.from({ length: 1000 }, (_, n) => sha256Hex(Buffer.from(String(n % 700))))
    const set = new DigestSet()
    for (const digest of digests) set.add(digest)
    expect(set.size).toBe(700)
    expect([...set]).toEqual([...new Set(digests)].sort())
    expect(digests.every(digest => set.has(digest))).toBe(true)
    expect(set.has(sha256Hex(Buffer.from('700')))).toBe(false)
  })

  it('takes digests in hexadecimal and nothing else', () => {
    const set = new DigestSet()
    for (const wrong of ['', 'ab', 'zz'.repeat(32), 'ab'.repeat(31), 'ab'.repeat(33)]) {
      expect(() => set.add(wrong)).toThrow(TypeError)
      expect(set.has(wrong)).toBe(false)
    }
    expect(set.size).toBe(0)
  })
})
