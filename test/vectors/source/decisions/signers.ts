import { at, type Case, type Group } from '../case.ts'
import { p256Key } from '../keys.ts'
import { alice, artifact, authority, bob, carol, dave, defaults, keyOf, NOW, roots } from '../world.ts'

const JUST_NOW = '2026-11-21T02:00:00.001Z'
const erin = p256Key('erin')
const by = (...keys: (typeof alice)[]) => ({ artifact: artifact(undefined, keys) })
const NOT_MET = ['artifact', 'THRESHOLD_NOT_MET'] as const

const window = (terms: Parameters<typeof keyOf>[2]) => ({
  trustRoots: roots([authority('release', 1, [keyOf(alice, 'alice', terms), keyOf(bob, 'bob')])]),
})
/** The old key of somebody, and the new one: each of them counts for some of the time. */
const rotating = {
  trustRoots: roots([
    authority('release', 1, [
      keyOf(alice, 'alice', { notAfter: '2026-11-21T03:00:00.000Z' }),
      keyOf(carol, 'alice', { notBefore: '2026-11-21T01:00:00.000Z' }),
    ]),
  ]),
}
const twoKeysOfOne = {
  trustRoots: roots([
    authority('release', 2, [keyOf(alice, 'alice'), keyOf(carol, 'alice'), keyOf(bob, 'bob')]),
  ]),
}
/** Bob asks, Alice, Carol and Dave approve; Erin's key is Alice's as well, for asking. */
const separated = (threshold: number) => ({
  trustRoots: roots([
    authority(
      'release',
      threshold,
      [
        keyOf(alice, 'alice'),
        keyOf(carol, 'carol'),
        keyOf(dave, 'dave'),
        keyOf(bob, 'bob', { role: 'requester' }),
        keyOf(erin, 'alice', { role: 'requester' }),
      ],
      'required',
    ),
  ]),
})

const cases: Case[] = [
  ['first instant of a key', 'it counts', { ...window({ notBefore: NOW }), ...by(alice) }, 'permit'],
  [
    'key not yet',
    'its window begins in a millisecond',
    { ...window({ notBefore: JUST_NOW }), ...by(alice) },
    ['artifact', 'SIGNER_UNTRUSTED'],
  ],
  [
    'last instant of a key',
    'a millisecond is left',
    { ...window({ notAfter: JUST_NOW }), ...by(alice) },
    'permit',
  ],
  [
    'key no more',
    'at its end it has ended',
    { ...window({ notAfter: NOW }), ...by(alice) },
    ['artifact', 'SIGNER_UNTRUSTED'],
  ],
  [
    'key no more, beside another',
    'what no longer counts does no harm',
    { ...window({ notAfter: NOW }), ...by(alice, bob) },
    'permit',
  ],
  [
    'signed with the old key, both count',
    'while one takes over from the other',
    { ...rotating, ...by(alice) },
    'permit',
  ],
  [
    'signed with the new key, both count',
    'while one takes over from the other',
    { ...rotating, ...by(carol) },
    'permit',
  ],
  [
    'signed with the new key, too early',
    'before it takes over',
    { ...rotating, ...by(carol), ...at('2026-11-21T00:59:59.999Z') },
    ['artifact', 'SIGNER_UNTRUSTED'],
  ],
  [
    'signed with the old key, too late',
    'after it was taken over from',
    { ...rotating, ...by(alice), ...at('2026-11-21T03:00:00.000Z') },
    ['artifact', 'SIGNER_UNTRUSTED'],
  ],
  [
    'two keys of one holder',
    'nobody counts twice for having two keys',
    { ...twoKeysOfOne, ...by(alice, carol) },
    NOT_MET,
  ],
  ['two holders', 'each with a key', { ...twoKeysOfOne, ...by(carol, bob) }, 'permit'],
  [
    'one of two, and one too late',
    'which key counts no more is said first',
    {
      trustRoots: roots([
        authority('release', 2, [keyOf(alice, 'alice'), keyOf(bob, 'bob', { notAfter: NOW })]),
      ]),
      ...by(alice, bob),
    },
    ['artifact', 'SIGNER_UNTRUSTED', 'THRESHOLD_NOT_MET'],
  ],
  ['asked for and approved', 'by two', { ...separated(1), ...by(alice, bob) }, 'permit'],
  ['approved, and nobody asked', 'a requester is required', { ...separated(1), ...by(alice) }, NOT_MET],
  ['asked for, and nobody approved', 'who asks does not approve', { ...separated(1), ...by(bob) }, NOT_MET],
  [
    'neither enough nor asked for',
    'both are said',
    { ...separated(2), ...by(alice) },
    ['artifact', 'THRESHOLD_NOT_MET', 'THRESHOLD_NOT_MET'],
  ],
  [
    'asked for and approved by one person',
    'the approval of whoever asks does not count',
    { ...separated(1), ...by(alice, erin) },
    NOT_MET,
  ],
  [
    'asked for by one who approves, and approved by another',
    'the other counts',
    { ...separated(1), ...by(alice, erin, carol) },
    'permit',
  ],
  [
    'two ask, one of them approves',
    'the one is taken who leaves most approvals',
    { ...separated(1), ...by(alice, erin, bob) },
    'permit',
  ],
  [
    'two needed, two approve and one of them asks',
    'one is left',
    { ...separated(2), ...by(alice, erin, carol) },
    NOT_MET,
  ],
  [
    'two needed, three approve and one of them asks',
    'two are left',
    { ...separated(2), ...by(alice, erin, carol, dave) },
    'permit',
  ],
  [
    'the requester is revoked',
    'then nobody asked',
    { ...separated(1), ...by(alice, bob), revoked: { key: [bob.public.id] } },
    ['use', 'REVOKED'],
  ],
  [
    'trust roots that end',
    'a millisecond is left',
    { trustRoots: { ...defaults.trustRoots, notAfter: JUST_NOW } as typeof defaults.trustRoots },
    'permit',
  ],
  [
    'trust roots that have ended',
    'nothing is permitted under them',
    { trustRoots: { ...defaults.trustRoots, notAfter: NOW } as typeof defaults.trustRoots },
    ['artifact', 'SIGNER_UNTRUSTED'],
  ],
]

export const SIGNERS: Group = {
  file: 'signers',
  description:
    'Whose signatures count, in which part and when: windows of keys, holders with several keys, and whoever asks for an artifact.',
  cases,
}
