import { describe, expect, it } from 'vitest'
import { type Authorization, MAX_ARTIFACT_BYTES, REASON_CODES } from '../../authorization/index.ts'
import { parseEnvelope, signEnvelope } from '../../signing/dsse.ts'
import * as world from './scenario.ts'
import { changed, codes, decide, payloadDigest, revoked, usedBefore } from './scenario.ts'

const gate = (fields: Partial<world.TestInput['gate']>) => ({ gate: { ...world.attested, ...fields } })
const denyAll = world.policy({ version: 2, policies: { no: 'forbid(principal, action, resource);' } })
const overflow = world.policy({
  version: 3,
  policies: {
    all: world.PERMIT_ALL,
    broken: 'forbid(principal, action, resource) when { context.now + 9223372036854775807 > 0 };',
  },
})
const anyPolicy = () => ({ artifact: world.artifact(it => (it.policy.digest = 'any')) })
const child = { caller: world.caller({ parentExecution: 'f'.repeat(32) }) }
const anyParent = { artifact: world.artifact(it => (it.parent.execution = 'any')) }
const other = world.artifact()

/** One input each that leads to this reason and to no other. */
const ALONE: readonly [
  code: string,
  what: string,
  fields: Partial<world.TestInput>,
  seen?: ReturnType<typeof world.observed>,
][] = [
  ['ARTIFACT_MISSING', 'no artifact', { artifact: null }],
  [
    'ARTIFACT_MISSING',
    'asking for a minted one where nothing is minted',
    { artifact: null, request: world.request({ operation: 'authorize' }) },
  ],
  ['ARTIFACT_MALFORMED', 'not JSON', { artifact: Buffer.from('hello') }],
  [
    'ARTIFACT_MALFORMED',
    'too long',
    { artifact: Buffer.concat([world.artifact(), Buffer.alloc(MAX_ARTIFACT_BYTES, ' ')]) },
  ],
  [
    'ARTIFACT_MALFORMED',
    'another payload type',
    { artifact: signEnvelope('text/plain', parseEnvelope(other).payload, [world.alice]) },
  ],
  [
    'ARTIFACT_MALFORMED',
    'a signed payload that is no statement',
    { artifact: signEnvelope('application/vnd.in-toto+json', Buffer.from('{}'), [world.alice]) },
  ],
  ['ARTIFACT_EXPIRED', 'after its end', { clock: { now: '2026-11-22T00:00:00.000Z', trusted: true } }],
  [
    'ARTIFACT_NOT_YET_VALID',
    'before its beginning',
    { clock: { now: '2026-11-19T23:59:59.999Z', trusted: true } },
  ],
  [
    'SIGNATURE_INVALID',
    'a changed payload',
    {
      artifact: changed(
        world.artifact(),
        it => (it.payload = JSON.parse(world.artifact(a => (a.id = 'job-2')).toString()).payload),
      ),
    },
  ],
  ['SIGNATURE_INVALID', 'no signature', { artifact: changed(world.artifact(), it => (it.signatures = [])) }],
  ['SIGNER_UNTRUSTED', 'a key that nobody trusts', { artifact: world.artifact(undefined, [world.mallory]) }],
  [
    'SIGNER_UNTRUSTED',
    "a trusted key that is not the issuer's",
    { artifact: world.artifact(undefined, [world.bob]) },
  ],
  [
    'SIGNER_UNTRUSTED',
    'an issuer that does not exist',
    { artifact: world.artifact(it => (it.issuer = 'nobody')) },
  ],
  [
    'SIGNER_UNTRUSTED',
    'no trust roots',
    {
      trustRoots: null,
      artifact: changed(world.artifact(), it => delete (it.signatures as { keyid?: string }[])[0]?.keyid),
    },
  ],
  [
    'SIGNER_UNTRUSTED',
    'a minted artifact where nothing is minted',
    {
      artifact: world.artifact(
        it => {
          it.issuer = `host:${world.HOST}`
          it.validity.notAfter = '2026-11-21T02:00:10.000Z'
        },
        [world.session],
      ),
    },
  ],
  ['THRESHOLD_NOT_MET', 'one of two', { artifact: world.artifact(it => (it.issuer = 'board')) }],
  [
    'THRESHOLD_NOT_MET',
    'the same key twice',
    { artifact: world.artifact(it => (it.issuer = 'board'), [world.alice, world.alice]) },
  ],
  ['POLICY_MISMATCH', 'another policy in force', { policy: world.policy({ version: 9 }) }],
  ['POLICY_DENIED', 'a forbid', { ...anyPolicy(), policy: denyAll }],
  ['POLICY_ERROR', 'a forbid that fails', { ...anyPolicy(), policy: overflow }],
  ['POLICY_ERROR', 'no policy', { policy: null }],
  ['REPLAYED', 'a second use of one', { artifact: other, uses: usedBefore(other) }],
  [
    'REPLAYED',
    'another payload under the same id',
    { artifact: other, uses: usedBefore(world.artifact(it => (it.validity.maxUses = 'any'))) },
  ],
  [
    'REVOKED',
    'the artifact',
    { artifact: other, revocations: revoked({ kind: 'artifact', digest: payloadDigest(other) }) },
  ],
  ['REVOKED', 'its key', { revocations: revoked({ kind: 'key', id: world.alice.public.id }) }],
  [
    'REVOKED',
    'a file of its closure',
    { revocations: revoked({ kind: 'program', digest: world.MODEL_DIGEST }) },
  ],
  ['REVOKED', 'the execution', { revocations: revoked({ kind: 'execution', id: world.EXECUTION }) }],
  [
    'ATTESTATION_STALE',
    'never attested',
    gate({ state: 'UNATTESTED', evidenceAgeMs: null, deadlineInMs: null }),
  ],
  ['ATTESTATION_STALE', 'stale', gate({ state: 'STALE', evidenceAgeMs: null, deadlineInMs: null })],
  ['ATTESTATION_STALE', 'at its deadline', gate({ deadlineInMs: 0 })],
  ['ATTESTATION_STALE', 'older than the artifact allows', gate({ evidenceAgeMs: 30_001 })],
  [
    'ATTESTATION_FAILED',
    'failed',
    gate({ state: 'FAILED', reasons: [{ code: 'PCR_UNEXPECTED', message: 'PCR 4' }] }),
  ],
  ['ENVIRONMENT_MISMATCH', 'other reference values', gate({ referenceValuesDigest: '0'.repeat(64) })],
  [
    'ENVIRONMENT_MISMATCH',
    'a simulated TPM',
    { artifact: world.artifact(it => (it.environment.simulated = 'deny')) },
  ],
  [
    'ENVIRONMENT_MISMATCH',
    'a TPM of no known kind',
    { ...gate({ tier: 'unknown' }), artifact: world.artifact(it => (it.environment.simulated = 'deny')) },
  ],
  [
    'SUBJECT_MISMATCH',
    'another program',
    {},
    [{ path: world.PROGRAM, sha256: '1'.repeat(64), size: 7 }, ...world.observed().slice(1)],
  ],
  [
    'SUBJECT_MISMATCH',
    'another model',
    {},
    [...world.observed().slice(0, 1), { path: world.MODEL, sha256: '1'.repeat(64), size: 7 }],
  ],
  [
    'SUBJECT_MISMATCH',
    'a file that is not there',
    {},
    [...world.observed().slice(0, 1), { path: world.MODEL, error: 'ENOENT' }],
  ],
  ['SUBJECT_MISMATCH', 'a file that nobody opened', {}, world.observed().slice(0, 1)],
  [
    'AUDIENCE_MISMATCH',
    'another host',
    { artifact: world.artifact(it => (it.audience.hosts = [world.OTHER_HOST])) },
  ],
  [
    'AUDIENCE_MISMATCH',
    'a host without labels',
    { artifact: world.artifact(it => (it.audience.labels = ['pool=a'])) },
  ],
  [
    'AUDIENCE_MISMATCH',
    'a host with other labels',
    { artifact: world.artifact(it => (it.audience.labels = ['pool=a'])), hostLabels: world.labels('pool=b') },
  ],
  [
    'AUDIENCE_MISMATCH',
    'a host whose labels have ended',
    {
      artifact: world.artifact(it => (it.audience.labels = ['pool=a'])),
      hostLabels: world.labels('pool=a', { notAfter: world.NOW }),
    },
  ],
  [
    'SCOPE_EXCEEDED',
    'another argument',
    { request: world.request({ argv: [world.PROGRAM, '--other', '7'] }) },
  ],
  ['INITIATOR_MISMATCH', 'another uid', { caller: world.caller({ uid: 1001 }) }],
  [
    'INITIATOR_MISMATCH',
    'another gid',
    { artifact: world.artifact(it => (it.initiator.gids = [999])), caller: world.caller({ gid: 998 }) },
  ],
  [
    'INITIATOR_MISMATCH',
    'beside the cgroup',
    {
      artifact: world.artifact(it => (it.initiator.cgroups = ['/jobs.slice'])),
      caller: world.caller({ cgroup: '/jobs.slicey' }),
    },
  ],
  [
    'INITIATOR_MISMATCH',
    'in no cgroup that is known',
    {
      artifact: world.artifact(it => (it.initiator.cgroups = ['/'])),
      caller: world.caller({ cgroup: '' }),
    },
  ],
  [
    'INITIATOR_MISMATCH',
    'from another program',
    {
      artifact: world.artifact(it => (it.initiator.programs = ['1'.repeat(64)])),
      caller: world.caller({ program: '2'.repeat(64) }),
    },
  ],
  [
    'INITIATOR_MISMATCH',
    'from a program that is not known',
    { artifact: world.artifact(it => (it.initiator.programs = ['1'.repeat(64)])) },
  ],
  [
    'INITIATOR_MISMATCH',
    'in no unit',
    { artifact: world.artifact(it => (it.initiator.units = ['job.service'])) },
  ],
  [
    'INITIATOR_MISMATCH',
    'another unit',
    {
      caller: world.caller({ unit: 'other.service' }),
      artifact: world.artifact(it => (it.initiator.units = ['job.service'])),
    },
  ],
  [
    'INITIATOR_MISMATCH',
    'no child of the parent it is for',
    { artifact: world.artifact(it => (it.parent.execution = 'e'.repeat(32))) },
  ],
  [
    'ENVIRONMENT_MISMATCH',
    'another boot',
    { artifact: world.artifact(it => (it.environment.resetCount = 6)) },
  ],
  [
    'ENVIRONMENT_MISMATCH',
    'a boot that is not known',
    {
      artifact: world.artifact(it => (it.environment.resetCount = 5)),
      gate: { ...world.attested, resetCount: null },
    },
  ],
  ['CALLER_UNKNOWN', 'no peer credentials', { caller: null }],
  ['PARENT_ENDED', 'a parent that nobody knows', { ...child, ...anyParent }],
  ['LINEAGE_BROKEN', 'a broken log', { lineage: 'broken' }],
  ['LINEAGE_UNAVAILABLE', 'a log that cannot be written', { lineage: 'unavailable' }],
  ['CLOCK_UNTRUSTED', 'a clock that was set', { clock: { now: world.NOW, trusted: false } }],
  ['CAPACITY', 'no room', { fault: { code: 'CAPACITY', message: 'no uid is free' } }],
  [
    'INTERNAL',
    'something thrown outside',
    { fault: { code: 'INTERNAL', message: 'the launcher did not answer' } },
  ],
  [
    'INTERNAL',
    'something thrown inside',
    {
      policy: {
        ...world.defaultPolicy,
        evaluate: () => {
          throw new Error('boom')
        },
      },
    },
  ],
  ['INTERNAL', 'inputs that are not understood', { gate: { ...world.attested, epoch: Number.NaN } }],
]

describe('a denial for one reason', () => {
  it.each([
    ['a label of the host', it => (it.audience.labels = ['pool=a', 'pool=b'])],
    ['its gid', it => (it.initiator.gids = [999, 1000])],
    ['a cgroup around it', it => (it.initiator.cgroups = ['/system.slice', '/user.slice'])],
    ['its own cgroup', it => (it.initiator.cgroups = ['/user.slice/session.scope'])],
    ['its program', it => (it.initiator.programs = ['1'.repeat(64)])],
    ['this boot', it => (it.environment.resetCount = 5)],
  ] as [string, (it: Authorization) => void][])('is none for %s', (_, change) => {
    const caller = world.caller({ cgroup: '/user.slice/session.scope', program: '1'.repeat(64) })
    const decision = decide({ artifact: world.artifact(change), caller, hostLabels: world.labels('pool=b') })
    expect(decision.reasons).toEqual([])
  })

  it('is a permit when nothing is wrong', () => {
    const decision = decide()
    expect(decision.reasons).toEqual([])
    expect(decision.outcome).toBe('permit')
  })

  for (const [code, what, fields, seen] of ALONE) {
    it(`${code}: ${what}`, () => {
      const decision = decide(fields, seen)
      expect(codes(decision)).toEqual([code])
      expect(decision.outcome).toBe('deny')
      expect([decision.terms, decision.use, decision.statement]).toEqual([null, null, null])
    })
  }

  it('exists for every code', () => {
    const tested = new Set(ALONE.map(([code]) => code))
    expect(REASON_CODES.filter(code => !tested.has(code))).toEqual([])
  })

  it('of a limited artifact that was valid before an unclean stop is REPLAYED until the tail is accepted', () => {
    const { uses } = world.input()
    uses.setUncleanSince('2026-11-20T12:00:00.000Z')
    expect(codes(decide({ uses }))).toEqual(['REPLAYED'])
    const unlimited = world.artifact(it => (it.validity.maxUses = 'any'))
    expect(decide({ uses, artifact: unlimited }).outcome).toBe('permit')
    const later = world.artifact(it => (it.validity.notBefore = '2026-11-20T12:00:00.000Z'))
    expect(decide({ uses, artifact: later }).outcome).toBe('permit')
    uses.setUncleanSince(null)
    expect(decide({ uses }).outcome).toBe('permit')
  })

  it('counts revoked keys against the threshold', () => {
    const artifact = world.artifact(it => (it.issuer = 'board'), [world.alice, world.bob, world.carol])
    const aliceIsGone = revoked({ kind: 'key', id: world.alice.public.id })
    expect(decide({ artifact, revocations: aliceIsGone }).outcome).toBe('permit')
    const twoAreGone = revoked(
      { kind: 'key', id: world.alice.public.id },
      { kind: 'key', id: world.bob.public.id },
    )
    expect(codes(decide({ artifact, revocations: twoAreGone }))).toEqual(['REVOKED'])
  })
})
