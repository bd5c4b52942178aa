import { describe, expect, it } from 'vitest'
import {
  type Decision,
  decideAfterOpen,
  decideBeforeOpen,
  type Reason,
  reason,
} from '../../authorization/index.ts'
import * as world from './scenario.ts'
import { codes, decide, payloadDigest, revoked, usedBefore } from './scenario.ts'

const denyAll = world.policy({ version: 2, policies: { no: 'forbid(principal, action, resource);' } })
const other = world.artifact()

describe('a denial for several reasons', () => {
  const late = { now: '2026-11-23T00:00:00.000Z', trusted: false }
  const stages: readonly [stage: string, codes: readonly string[], decision: () => Decision][] = [
    [
      'artifact',
      [
        'CAPACITY',
        'THRESHOLD_NOT_MET',
        'CLOCK_UNTRUSTED',
        'ARTIFACT_EXPIRED',
        'AUDIENCE_MISMATCH',
        'INITIATOR_MISMATCH',
        'INITIATOR_MISMATCH',
        'INITIATOR_MISMATCH',
        'PARENT_ENDED',
      ],
      () =>
        decide({
          fault: { code: 'CAPACITY', message: 'no uid is free' },
          clock: late,
          caller: world.caller({ uid: 1001, parentExecution: 'f'.repeat(32) }),
          artifact: world.artifact(it => {
            it.issuer = 'board'
            it.audience.hosts = [world.OTHER_HOST]
            it.initiator.units = ['job.service']
          }),
        }),
    ],
    [
      'subjects',
      [
        'SUBJECT_MISMATCH',
        'SUBJECT_MISMATCH',
        'SCOPE_EXCEEDED',
        'SCOPE_EXCEEDED',
        'SCOPE_EXCEEDED',
        'SCOPE_EXCEEDED',
        'SCOPE_EXCEEDED',
        'SCOPE_EXCEEDED',
        'SCOPE_EXCEEDED',
        'SCOPE_EXCEEDED',
        'SCOPE_EXCEEDED',
        'SCOPE_EXCEEDED',
        'SCOPE_EXCEEDED',
      ],
      () =>
        decide(
          {
            artifact: world.artifact(
              it => (it.scope.stdio = { stdin: 'null', stdout: 'pipe', stderr: 'pipe' }),
            ),
            request: world.request({
              program: '/bin/sh',
              argv: ['sh'],
              env: [{ name: 'LANG', value: 'de' }],
              cwd: '/root',
              user: { uid: 1, gid: 1, groups: [] },
              stdio: { stdin: 'pipe', stdout: 'pipe', stderr: 'pipe' },
              sandbox: { network: 'host', seccomp: null, writable: ['/etc'] },
              limits: { ...world.request().limits, pids: 17 },
              devices: ['gpu'],
              children: true,
            }),
          },
          [],
        ),
    ],
    [
      'integrity',
      [
        'LINEAGE_UNAVAILABLE',
        'ATTESTATION_STALE',
        'ATTESTATION_STALE',
        'ENVIRONMENT_MISMATCH',
        'ENVIRONMENT_MISMATCH',
        // What cannot be held there: memory, and two classes of devices.
        'ENVIRONMENT_MISMATCH',
        'ENVIRONMENT_MISMATCH',
        'ENVIRONMENT_MISMATCH',
      ],
      () =>
        decide({
          lineage: 'unavailable',
          gate: { ...world.attested, state: 'STALE', evidenceAgeMs: 40_000, referenceValuesDigest: null },
          host: { id: world.HOST, enforces: { controllers: [], devices: [] } },
          artifact: world.artifact(it => {
            it.environment.simulated = 'deny'
            it.scope.devices = ['gpu', 'tpu']
          }),
        }),
    ],
    ['policy', ['POLICY_MISMATCH', 'POLICY_DENIED'], () => decide({ policy: denyAll })],
    [
      'use',
      ['REVOKED', 'REVOKED', 'REVOKED', 'REVOKED', 'REPLAYED'],
      () =>
        decide({
          artifact: other,
          uses: usedBefore(other),
          revocations: revoked(
            { kind: 'execution', id: world.EXECUTION },
            { kind: 'program', digest: world.PROGRAM_DIGEST },
            { kind: 'key', id: world.alice.public.id },
            { kind: 'artifact', digest: payloadDigest(other) },
          ),
        }),
    ],
  ]
  for (const [stage, expected, decision] of stages) {
    it(`lists all of the stage ${stage} in one order`, () => {
      const first = decision()
      expect(first.stage).toBe(stage)
      expect(codes(first)).toEqual(expected)
      expect(decision().reasons).toEqual(first.reasons)
    })
  }

  it('ends at the first stage that finds one', () => {
    const decision = decide({ clock: late, policy: denyAll, lineage: 'broken' }, [])
    expect(decision.stage).toBe('artifact')
  })

  it('opens no subject and asks no policy before the first stage holds', () => {
    let asked = false
    const policy = {
      ...world.defaultPolicy,
      evaluate: () => {
        asked = true
        return { outcome: 'allow' as const, determining: [] }
      },
    }
    const before = decideBeforeOpen(world.input({ policy, caller: world.caller({ uid: 1001 }) }))
    expect('denied' in before && codes(before.denied)).toEqual(['INITIATOR_MISMATCH'])
    expect(asked).toBe(false)
  })

  it('does not take over what was opened under other trust, or of another artifact', () => {
    const first = world.input()
    const before = decideBeforeOpen(first)
    if (!('opened' in before)) throw new Error('denied')
    const later = (fields: Partial<world.TestInput>) =>
      codes(decideAfterOpen({ ...first, ...fields }, world.observed(), before.opened))
    expect(later({})).toEqual([])
    const trustRoots = world.trustRoots({ version: 2, authorities: [] })
    expect(later({ trustRoots })).toEqual(['SIGNER_UNTRUSTED'])
    expect(later({ artifact: world.artifact(undefined, [world.mallory]) })).toEqual(['SIGNER_UNTRUSTED'])
    expect(later({ artifact: null })).toEqual(['ARTIFACT_MISSING'])
  })

  it('says first what to open, the program before the files', () => {
    const before = decideBeforeOpen(world.input())
    expect('subjects' in before && before.subjects.map(({ path }) => path)).toEqual([
      world.PROGRAM,
      world.MODEL,
    ])
  })
})

describe('a reason', () => {
  it('keeps text of the caller short and printable', () => {
    const made: Reason = reason('INTERNAL', `a\n\u001b[31mred\u202e${'x'.repeat(1000)}\ud800`)
    expect(made.message).toMatch(/^a\uFFFD\uFFFD\[31mred\uFFFDx+…$/)
    expect(made.message.length).toBeLessThanOrEqual(300)
  })
})

describe('a gate behind which no evidence counts', () => {
  const nothing = {
    evidenceAgeMs: null,
    deadlineInMs: null,
    referenceValuesDigest: null,
    tier: 'unknown' as const,
    resetCount: null,
  }
  const strict = () =>
    world.artifact(it => {
      it.environment = {
        referenceValues: world.REFERENCE,
        maxEvidenceAge: 1,
        simulated: 'deny',
        resetCount: 9,
      }
    })

  it.each([
    ['FAILED', ['ATTESTATION_FAILED']],
    ['STALE', ['ATTESTATION_STALE']],
    ['UNATTESTED', ['ATTESTATION_STALE']],
  ] as const)('is the only reason when it is %s: nothing else is known of the host', (state, expected) => {
    const decision = decide({ gate: { ...world.attested, ...nothing, state }, artifact: strict() })
    expect(codes(decision)).toEqual(expected)
  })

  it('that says it is open is still held against all that the artifact asks for', () => {
    const gate = { ...world.attested, ...nothing, deadlineInMs: 26_000 }
    expect(codes(decide({ gate, artifact: strict() }))).toEqual([
      'ENVIRONMENT_MISMATCH',
      'ENVIRONMENT_MISMATCH',
      'ENVIRONMENT_MISMATCH',
    ])
  })
})
