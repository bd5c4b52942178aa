import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  openRevocationInSteps,
  REVOCATION_KINDS,
  type RevocationKind,
  RevocationSet,
  type RevocationTarget,
  readRevocation,
  signRevocation,
} from '../../authorization/index.ts'
import { RevocationChain } from '../../authorization/revocation-chain.ts'
import { parseRevocationLink } from '../../authorization/revocation-set.ts'
import { canonicalJsonBytes } from '../../encoding/json.ts'
import { generateKey } from '../../signing/key.ts'
import * as world from './scenario.ts'

const HOST = `000b${'12'.repeat(32)}`
const idOf = (kind: RevocationKind, n: number) => {
  const hex = n.toString(16).padStart(2, '0').repeat(32)
  return kind === 'host' ? `000b${hex}` : kind === 'execution' ? hex.slice(0, 32) : hex
}
const target = (kind: RevocationKind, id: string): RevocationTarget =>
  kind === 'key' || kind === 'host' || kind === 'execution' ? { kind, id } : { kind, digest: id }
const signed = (epoch: number, revoke: readonly RevocationTarget[], key = world.governance) =>
  signRevocation({ version: 1, epoch, revoke }, key)
const document = (epoch: number, ...revoke: RevocationTarget[]) => readRevocation(signed(epoch, revoke))

describe('a set of revocations', () => {
  const NOTHING = {
    artifactDigest: null,
    subjectDigests: [],
    executionIds: [],
    hostId: HOST,
    policyDigest: null,
  }

  it('is hit by each kind, and by no other kind of the same id', () => {
    const id = 'ab'.repeat(32)
    const execution = 'cd'.repeat(16)
    const all = {
      artifactDigest: id,
      subjectDigests: [id],
      executionIds: [execution],
      hostId: HOST,
      policyDigest: id,
    }
    for (const kind of REVOCATION_KINDS) {
      const what = kind === 'host' ? HOST : kind === 'execution' ? execution : id
      const set = RevocationSet.empty.with(document(1, target(kind, what)))
      expect(set.hits(all)).toEqual(kind === 'key' ? [] : [{ kind, id: what }])
      expect(set.hits(NOTHING)).toEqual(kind === 'host' ? [{ kind, id: HOST }] : [])
      for (const other of REVOCATION_KINDS) expect(set.has(other, what)).toBe(other === kind)
    }
  })

  it('agrees with a plain fold, whatever is added in whatever branches, and older sets stay as they were', () => {
    const step = fc.record({
      // Which of the sets so far it goes on from.
      from: fc.nat(30),
      revoke: fc.array(fc.tuple(fc.constantFrom(...REVOCATION_KINDS), fc.nat(20)), {
        minLength: 1,
        maxLength: 6,
      }),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), steps => {
        const made = [{ set: RevocationSet.empty, plain: new Map<string, number>() }]
        for (const { from, revoke } of steps) {
          const before = made[from % made.length] as (typeof made)[number]
          const epoch = before.set.epoch + 1
          const plain = new Map(before.plain)
          // A document has its lists in the order of the kinds.
          for (const kind of REVOCATION_KINDS)
            for (const [k, n] of revoke)
              if (k === kind && !plain.has(`${k} ${idOf(k, n)}`)) plain.set(`${k} ${idOf(k, n)}`, epoch)
          const targets = revoke.map(([kind, n]) => target(kind, idOf(kind, n)))
          made.push({ set: before.set.with(document(epoch, ...targets)), plain })
        }
        for (const { set, plain } of made) {
          expect(set.list().map(({ kind, id, epoch }) => [`${kind} ${id}`, epoch])).toEqual([...plain])
          for (const kind of REVOCATION_KINDS)
            for (let n = 0; n <= 20; n++)
              expect(set.has(kind, idOf(kind, n))).toBe(plain.has(`${kind} ${idOf(kind, n)}`))
        }
      }),
      { numRuns: 60 },
    )
  })

  it('is given in pages that fit together', () => {
    const set = RevocationSet.empty.with(
      document(1, ...Array.from({ length: 10 }, (_, n) => target('program', idOf('program', n)))),
    )
    expect([...set.list(0, 4), ...set.list(4, 4), ...set.list(8, 4)]).toEqual(set.list())
    expect(set.list(10, 4)).toEqual([])
    expect(set.list(99, 4)).toEqual([])
  })

  it('of 100,000, in documents of 2,048: each taken over in steps of a few milliseconds, and in bounded memory', async () => {
    const key = generateKey('ed25519')
    const documents = Array.from({ length: 50 }, (_, i) =>
      signed(
        i + 1,
        Array.from({ length: 2048 }, () => target('program', randomBytes(32).toString('hex'))),
        key,
      ),
    )
    let set = RevocationSet.empty
    const steps: number[] = []
    for (const envelope of documents) {
      const opened = await openRevocationInSteps(envelope, [key.public])
      const start = process.threadCpuUsage()
      set = set.with(opened)
      const { user, system } = process.threadCpuUsage(start)
      steps.push((user + system) / 1000)
    }
    expect(set.size).toBe(102_400)
    // Now and then the kernel, or a collection of garbage, is in between.
    steps.sort((a, b) => a - b)
    expect(steps[25]).toBeLessThan(5)
    expect(set.manifest.length).toBeLessThan(300)
  })
})

describe('the chain of revocations in evidence', () => {
  const governance = [world.governance.public]

  function evidence(...envelopes: Buffer[]) {
    const blobs = new Map<string, Buffer>()
    const sets = [RevocationSet.empty]
    for (const envelope of envelopes) {
      const read = readRevocation(envelope)
      const set = (sets.at(-1) as RevocationSet).with(read)
      blobs.set(set.digest, set.manifest)
      blobs.set(read.envelopeDigest, envelope)
      sets.push(set)
    }
    const asked: string[] = []
    const blob = async (digest: string) => {
      asked.push(digest)
      const found = blobs.get(digest)
      if (found === undefined) throw new Error('missing')
      return found
    }
    return { blobs, sets, asked, blob }
  }
  const many = (count: number) =>
    Array.from({ length: count }, (_, i) => signed(i + 1, [target('program', idOf('program', i))]))

  it('gives every set by its digest, and reads each document once', async () => {
    const { sets, asked, blob } = evidence(...many(40))
    const chain = new RevocationChain(blob, governance)
    for (const set of [...sets, ...sets].reverse())
      expect((await chain.get(set.digest)).list()).toEqual(set.list())
    expect(asked.length).toBe(80)
    expect(new Set(asked).size).toBe(80)
  })

  it('refuses a document of another key, one of a key that was revoked before it, and a chain that leads nowhere', async () => {
    const foreign = evidence(signed(1, [target('program', idOf('program', 1))], world.mallory))
    const of = (it: ReturnType<typeof evidence>, keys = governance) =>
      new RevocationChain(it.blob, keys).get(it.sets.at(-1)?.digest ?? '')
    await expect(of(foreign)).rejects.toMatchObject({ code: 'DOCUMENT_UNSIGNED' })
    const both = [...governance, world.mallory.public]
    const gone = evidence(
      signed(1, [target('key', world.mallory.public.id)]),
      signed(2, [target('program', idOf('program', 1))], world.mallory),
    )
    await expect(of(gone, both)).rejects.toMatchObject({ code: 'DOCUMENT_UNSIGNED' })
    const nowhere = canonicalJsonBytes({ v: 1, previous: null, document: 'ab'.repeat(32) })
    await expect(new RevocationChain(async () => nowhere, null).get('cd'.repeat(32))).rejects.toMatchObject({
      code: 'RECORD_MALFORMED',
    })
  })

  it('reads a link only in its one form', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), bytes => {
        try {
          parseRevocationLink(bytes)
        } catch (error) {
          expect(error).toMatchObject({ code: 'REVOCATION_MALFORMED' })
        }
      }),
      { numRuns: 300 },
    )
    const link = { v: 1, previous: null, document: 'ab'.repeat(32) }
    expect(parseRevocationLink(canonicalJsonBytes(link))).toEqual({ previous: null, document: link.document })
    for (const bad of [
      { ...link, v: 2 },
      { ...link, x: 1 },
      { v: 1, previous: null },
    ])
      expect(() => parseRevocationLink(canonicalJsonBytes(bad as never))).toThrow()
  })
})
