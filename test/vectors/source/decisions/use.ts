import { sha256Hex } from '../../../../encoding/digest.ts'
import { asked, type Case, type Group, uses } from '../case.ts'
import {
  alice,
  artifact,
  bob,
  EXECUTION,
  HOST,
  MODEL_DIGEST,
  OTHER_DIGEST,
  OTHER_HOST,
  POLICY as POLICY_DIGEST,
  PROGRAM_DIGEST,
  payload,
} from '../world.ts'
import { asChild, parent } from './circumstances.ts'

const anyPolicy = { artifact: artifact(it => (it.policy.digest = 'any')) }
const name = sha256Hex(payload())
const times = (maxUses: number | 'any') => ({ artifact: artifact(it => (it.validity.maxUses = maxUses)) })
const REPLAYED = ['use', 'REPLAYED'] as const
const REVOKED = ['use', 'REVOKED'] as const

const use: Case[] = [
  ['first use', 'of one', {}, 'permit'],
  ['second use of one', 'none is left', uses({ used: 1 }), REPLAYED],
  ['last of three', 'one is left', { ...times(3), ...uses({ used: 2 }) }, 'permit'],
  ['fourth of three', 'none is left', { ...times(3), ...uses({ used: 3 }) }, REPLAYED],
  ['any number', 'never used up', { ...times('any'), ...uses({ used: 1_000_000 }) }, 'permit'],
  ['another payload under its id', 'an id is one artifact', uses({ otherPayload: OTHER_DIGEST }), REPLAYED],
  [
    'another payload, any number of uses',
    'an id is one artifact all the same',
    { ...times('any'), ...uses({ otherPayload: OTHER_DIGEST }) },
    REPLAYED,
  ],
  [
    'another payload, and used up',
    'both are said',
    uses({ used: 1, otherPayload: OTHER_DIGEST }),
    ['use', 'REPLAYED', 'REPLAYED'],
  ],
  [
    'after an unclean stop',
    'a use of it may be missing in the log',
    uses({ uncleanSince: '2026-11-21T01:00:00.000Z' }),
    REPLAYED,
  ],
  [
    'valid only since then',
    'it cannot have been used before',
    uses({ uncleanSince: '2026-11-20T00:00:00.000Z' }),
    'permit',
  ],
  [
    'after an unclean stop, any number',
    'no use can be missing',
    { ...times('any'), ...uses({ uncleanSince: '2026-11-21T01:00:00.000Z' }) },
    'permit',
  ],
  [
    'a question',
    'asks whether it would be permitted: used up all the same',
    { ...asked({ operation: 'authorize' }), ...uses({ used: 1 }) },
    REPLAYED,
  ],
  [
    'what goes on',
    'has its use already',
    { ...asked({ operation: 'continue' }), ...uses({ used: 1 }) },
    'permit',
  ],
  [
    'what goes on, and another use',
    'that one counts',
    { ...asked({ operation: 'continue' }), ...uses({ used: 2 }) },
    REPLAYED,
  ],
  ['artifact revoked', 'by the digest of its payload', { revoked: { artifact: [name] } }, REVOKED],
  ['another artifact revoked', 'not this one', { revoked: { artifact: [OTHER_DIGEST] } }, 'permit'],
  ['key revoked', 'the only one that signed', { revoked: { key: [alice.public.id] } }, REVOKED],
  ['key of another revoked', 'one that did not sign', { revoked: { key: [bob.public.id] } }, 'permit'],
  ['program revoked', 'by its digest', { revoked: { program: [PROGRAM_DIGEST] } }, REVOKED],
  ['model revoked', 'any subject by its digest', { revoked: { program: [MODEL_DIGEST] } }, REVOKED],
  [
    'a digest of another kind',
    'a program is no artifact',
    { revoked: { artifact: [PROGRAM_DIGEST] } },
    'permit',
  ],
  ['execution revoked', 'itself, before it started', { revoked: { execution: [EXECUTION] } }, REVOKED],
  [
    'parent revoked',
    'and with it its children',
    { ...asChild, ...parent(), revoked: { execution: [parent().parent.executionId] } },
    REVOKED,
  ],
  [
    'ancestor revoked',
    'and with it all its descendants',
    {
      ...asChild,
      ...parent({ ancestors: ['9'.repeat(32)] }),
      revoked: { execution: ['9'.repeat(32)] },
    },
    REVOKED,
  ],
  ['host revoked', 'by the name of its key', { revoked: { host: [HOST] } }, REVOKED],
  ['another host revoked', 'not this one', { revoked: { host: [OTHER_HOST] } }, 'permit'],
  [
    'policy revoked',
    'the bundle in force, whatever the artifact says of it',
    { ...anyPolicy, revoked: { policy: [POLICY_DIGEST] } },
    REVOKED,
  ],
  ['another policy revoked', 'not the one in force', { revoked: { policy: [OTHER_DIGEST] } }, 'permit'],
  [
    'all at once',
    'every reason of the stage, in order: artifact, program, execution, host, policy, key, id, uses, unclean stop',
    {
      ...uses({ used: 1, otherPayload: OTHER_DIGEST, uncleanSince: '2026-11-21T01:00:00.000Z' }),
      revoked: {
        policy: [POLICY_DIGEST],
        host: [HOST],
        key: [alice.public.id],
        execution: [EXECUTION],
        program: [PROGRAM_DIGEST],
        artifact: [name],
      },
    },
    [
      'use',
      'REVOKED',
      'REVOKED',
      'REVOKED',
      'REVOKED',
      'REVOKED',
      'REVOKED',
      'REPLAYED',
      'REPLAYED',
      'REPLAYED',
    ],
  ],
]

export const USE: Group = {
  file: 'use',
  description: 'What is revoked, and which uses are left.',
  cases: use,
}
