import { describe, expect, it } from 'vitest'
import { checkTrustSuccessor, type TrustRoots } from '../../authorization/index.ts'
import * as world from './scenario.ts'
import { authority, codes, decide, held } from './scenario.ts'

const { alice, carol } = world
const DAY = (day: number) => `2026-11-${String(day).padStart(2, '0')}T00:00:00.000Z`

/** The same person, an old key and a new one: version 1 has the old, 2 has both for a while, 3 has the new. */
const old = held('alice', alice, { notAfter: DAY(24) })
const next = held('alice', carol, { notBefore: DAY(22) })
const roots = (version: number, ...keys: ReturnType<typeof held>[]) =>
  world.trustRoots({ version, authorities: [authority('release', ...keys)] })
const VERSIONS: Record<number, TrustRoots> = {
  1: roots(1, held('alice', alice)),
  2: roots(2, old, next),
  3: roots(3, next),
}

const lasting = (key: typeof alice) =>
  world.artifact(
    it => {
      it.validity = { notBefore: DAY(1), notAfter: DAY(30), maxUses: 'any' }
    },
    [key],
  )
const artifacts = { old: lasting(alice), new: lasting(carol) }

function decided(
  version: number,
  day: number,
  which: keyof typeof artifacts,
  operation: 'execute' | 'continue' = 'execute',
) {
  const trustRoots = VERSIONS[version] ?? expect.fail()
  const input = { trustRoots, artifact: artifacts[which], request: world.request({ operation }) }
  return codes(decide({ ...input, clock: { now: DAY(day), trusted: true } }))
}

describe('a key that is replaced', () => {
  it.each<[string, number, number, string[], string[]]>([
    ['before, only the old one counts', 1, 20, [], ['SIGNER_UNTRUSTED']],
    ['announced, the new one does not count yet', 2, 21, [], ['SIGNER_UNTRUSTED']],
    ['for a while both count', 2, 22, [], []],
    ['until the old one has ended', 2, 24, ['SIGNER_UNTRUSTED'], []],
    ['and is gone', 3, 25, ['SIGNER_UNTRUSTED'], []],
  ])('%s', (_, version, day, before, after) => {
    expect(decided(version, day, 'old')).toEqual(before)
    expect(decided(version, day, 'new')).toEqual(after)
    // What runs is judged as what starts: it ends when its key has left.
    expect(decided(version, day, 'old', 'continue')).toEqual(before)
  })

  it('goes one way', () => {
    expect(() => checkTrustSuccessor(VERSIONS[1] ?? null, VERSIONS[2] ?? expect.fail())).not.toThrow()
    expect(() => checkTrustSuccessor(VERSIONS[3] ?? null, VERSIONS[2] ?? expect.fail())).toThrow(
      'cannot follow',
    )
    expect(() => checkTrustSuccessor(VERSIONS[2] ?? null, roots(2, next))).toThrow('cannot follow')
  })
})
