import { describe, expect, test } from 'vitest'
import { standingReasons } from '../../authorization/index.ts'
import * as world from './scenario.ts'
import { alice, authority, codes, decide, held, NOW, revoked } from './scenario.ts'

const past = '2026-11-20T12:00:00.000Z'
const until = (notAfter: string) => ({ ...held('alice', alice), notAfter })
const roots = (...keys: ReturnType<typeof held>[]) =>
  world.trustRoots({ version: 3, authorities: [authority('release', ...keys)] })
const mints = { minting: { ...world.input().minting, enabled: true } }

/** What is so of a host on which nothing else is wrong, and what every request is told. */
const CASES: readonly (readonly [string, Partial<world.TestInput>, string, RegExp])[] = [
  ['no trust roots', { trustRoots: null }, 'SIGNER_UNTRUSTED', /^no trust roots are in force$/],
  [
    'trust roots that have ended',
    { trustRoots: world.trustRoots({ version: 2, notAfter: past }) },
    'SIGNER_UNTRUSTED',
    /^the trust roots, version 2, count only until /,
  ],
  [
    'trust roots whose keys have all ended',
    { trustRoots: roots(until(past)) },
    'SIGNER_UNTRUSTED',
    /no authority/,
  ],
  [
    'trust roots whose keys are all revoked',
    { trustRoots: roots(held('alice', alice)), revocations: revoked({ kind: 'key', id: alice.public.id }) },
    'SIGNER_UNTRUSTED',
    /no authority/,
  ],
  ['a clock that is not relied on', { clock: { now: NOW, trusted: false } }, 'CLOCK_UNTRUSTED', /clock/],
  ['a log that takes nothing', { lineage: 'unavailable' }, 'LINEAGE_UNAVAILABLE', /written/],
  ['a log that is not whole', { lineage: 'broken' }, 'LINEAGE_BROKEN', /together/],
  ['no policy', { policy: null }, 'POLICY_ERROR', /^no policy is in force$/],
  [
    'a policy that has ended',
    { policy: world.policy({ version: 2, notAfter: past }) },
    'POLICY_ERROR',
    /^the policy was valid until /,
  ],
  [
    'a policy that has not begun',
    { policy: world.policy({ version: 2, notBefore: '2027-01-01T00:00:00.000Z' }) },
    'POLICY_ERROR',
    /^the policy is valid from /,
  ],
  [
    'a revoked policy',
    { revocations: revoked({ kind: 'policy', digest: world.defaultPolicy.digest }) },
    'REVOKED',
    /^the policy [0-9a-f]{64} is revoked$/,
  ],
  [
    'a revoked host',
    { revocations: revoked({ kind: 'host', id: world.HOST }) },
    'REVOKED',
    /^the host \S+ is revoked$/,
  ],
]

describe('what stands against every request', () => {
  test('is nothing where one is permitted', () => {
    expect(decide().outcome).toBe('permit')
    expect(standingReasons(world.input())).toEqual([])
  })

  test('is nothing where one authority of several can sign', () => {
    const authorities = [authority('gone', until(past)), authority('release', held('alice', alice))]
    const some = { trustRoots: world.trustRoots({ version: 3, authorities }) }
    expect(decide(some).outcome).toBe('permit')
    expect(standingReasons(world.input(some))).toEqual([])
  })

  test.each(CASES)('is %s, which denies a request that would be permitted', (_, fields, code, message) => {
    const artifact = world.artifact(it => (it.policy.digest = 'any'))
    const changed = { artifact, ...fields }
    expect(decide({ artifact }).outcome).toBe('permit')
    expect(decide(changed).outcome).toBe('deny')
    expect(standingReasons(world.input(changed))).toMatchObject([
      { code, message: expect.stringMatching(message) },
    ])
  })

  test('is said all at once, where a decision ends with the first stage that denies', () => {
    const both = {
      trustRoots: world.trustRoots({ notAfter: past }),
      policy: world.policy({ notAfter: past }),
    }
    expect(codes(decide(both))).not.toContain('POLICY_ERROR')
    expect(standingReasons(world.input(both)).map(({ code }) => code)).toEqual([
      'SIGNER_UNTRUSTED',
      'POLICY_ERROR',
    ])
  })

  test('is not that nobody is trusted where the host makes artifacts itself', () => {
    const asks = { artifact: null, request: world.request({ operation: 'authorize' }), ...mints }
    for (const trustRoots of [null, roots(until(past))]) {
      expect(decide({ ...asks, trustRoots }).outcome).toBe('permit')
      expect(standingReasons(world.input({ ...asks, trustRoots }))).toEqual([])
    }
    // Trust roots that have ended permit not even that.
    const ended = { ...asks, trustRoots: world.trustRoots({ notAfter: past }) }
    expect(codes(decide(ended))).toEqual(['SIGNER_UNTRUSTED'])
    expect(standingReasons(world.input(ended))).toHaveLength(1)
  })
})
