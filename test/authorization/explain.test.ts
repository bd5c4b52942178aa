import { beforeEach, describe, expect, it } from 'vitest'
import {
  AuthorizationError,
  type CheckResult,
  type Decision,
  decideAfterOpen,
  type Explanation,
  type ObservedSubject,
  Reevaluator,
  STAGES,
} from '../../authorization/index.ts'
import { sha256Hex } from '../../encoding/digest.ts'
import type { PublicKey } from '../../signing/key.ts'
import * as world from './scenario.ts'

let blobs: Map<string, Buffer>
beforeEach(() => {
  blobs = new Map()
})

/** Decides, and keeps what an auditor gets. */
function decide(
  fields: Partial<world.TestInput> = {},
  seen: ObservedSubject[] | null = world.observed(),
): Decision {
  const input = world.input(fields)
  const kept = [
    input.artifact,
    input.trustRoots?.envelope,
    input.policy?.envelope,
    input.revocations.manifest,
  ]
  for (const bytes of kept) if (bytes) blobs.set(sha256Hex(bytes), Buffer.from(bytes))
  return decideAfterOpen(input, seen)
}

function explain(
  decision: Decision,
  governance: readonly PublicKey[] | null = [world.governance.public],
): Promise<Explanation> {
  const source = (digest: string) => blobs.get(digest) ?? Buffer.alloc(0)
  return new Reevaluator(source, { governance }).explain(decision.record)
}

const find = (checks: readonly CheckResult[], name: string) =>
  checks.find(check => check.name === name) ?? expect.fail(`no check ${name}`)

const noPolicy = world.policy({ version: 2, policies: {} })
const forbidding = world.policy({
  version: 2,
  policies: { all: world.PERMIT_ALL, no: 'forbid(principal, action, resource);' },
})

describe('an explained decision', () => {
  it('that permits passed every check that there was something to look at for', async () => {
    const { same, checks, statement, policy, signed } = await explain(decide())
    expect(same).toBe(true)
    expect(
      checks.filter(check => check.outcome !== 'passed').map(({ name, outcome }) => [name, outcome]),
    ).toEqual([
      ['minted', 'not applicable'],
      ['parent', 'not applicable'],
      ['terms to mint', 'not applicable'],
      ["parent's scope", 'not applicable'],
    ])
    expect(statement?.predicate.issuer).toBe('release')
    expect(signed.by.map(({ keyId }) => keyId)).toEqual([world.alice.public.id])
    expect(policy).toMatchObject({ outcome: 'allow', policies: [{ id: 'all', text: world.PERMIT_ALL }] })
    expect(find(checks, 'validity').compared).toEqual({
      found: world.NOW,
      wanted: 'from 2026-11-20T00:00:00.000Z until before 2026-11-22T00:00:00.000Z',
    })
    expect(find(checks, 'scope.argv').compared).toEqual({
      found: JSON.stringify([world.PROGRAM, '--digits', '7']),
      wanted: JSON.stringify([world.PROGRAM, '--digits', { any: true }]),
    })
  })

  const other = world.artifact()
  const cases: readonly [what: string, failed: readonly string[], decision: () => Decision][] = [
    ['no artifact', ['envelope'], () => decide({ artifact: null })],
    [
      'a stranger, late and elsewhere',
      ['signatures', 'validity', 'audience', 'initiator'],
      () =>
        decide({
          artifact: world.artifact(undefined, [world.mallory]),
          clock: { now: '2026-12-01T00:00:00.000Z', trusted: true },
          host: { id: world.OTHER_HOST, enforces: { controllers: [], devices: [] } },
          caller: world.caller({ uid: 7 }),
        }),
    ],
    ['too few keys', ['signers'], () => decide({ artifact: world.artifact(it => (it.issuer = 'board')) })],
    ['a payload of anything', ['envelope'], () => decide({ artifact: Buffer.from('{}') })],
    [
      'another program, argument and device',
      ['subjects', 'scope.argv', 'scope.devices'],
      () =>
        decide({ request: world.request({ argv: ['x'], devices: ['tpu'] }) }, [
          { path: world.PROGRAM, sha256: '0'.repeat(64), size: 7 },
          ...world.observed().slice(1),
        ]),
    ],
    [
      'writing below /etc, with the network and more memory',
      ['scope.sandbox', 'scope.limits'],
      () =>
        decide({
          request: world.request({
            sandbox: { network: 'host', seccomp: null, writable: ['/etc'] },
            limits: { ...world.request().limits, memoryBytes: 1 << 30 },
          }),
        }),
    ],
    [
      'a log that cannot be written and old evidence',
      ['lineage', 'evidence age'],
      () => decide({ lineage: 'unavailable', gate: { ...world.attested, evidenceAgeMs: 31_000 } }),
    ],
    ['a closed gate', ['gate'], () => decide({ gate: { ...world.attested, state: 'STALE' } })],
    ['no policy that permits', ['policy digest', 'policy'], () => decide({ policy: noPolicy })],
    ['a policy that forbids', ['policy digest', 'policy'], () => decide({ policy: forbidding })],
    [
      'a policy that is over',
      ['policy validity'],
      () =>
        decide({
          artifact: world.artifact(it => (it.policy.digest = 'any')),
          policy: world.policy({ notAfter: world.NOW }),
        }),
    ],
    ['no policy', ['policy in force'], () => decide({ policy: null })],
    ['a use that was used', ['uses'], () => decide({ artifact: other, uses: world.usedBefore(other) })],
    [
      'another artifact of the same id',
      ['id'],
      () => decide({ uses: world.usedBefore(world.artifact(it => (it.scope.cwd = '/tmp'))) }),
    ],
    ['a fault on the way', ['fault'], () => decide({ fault: { code: 'CAPACITY', message: 'full' } })],
  ]
  it.each(cases)('names the checks that failed: %s', async (_what, failed, decision) => {
    const made = decision()
    expect(made.outcome).toBe('deny')
    const { checks, same } = await explain(made)
    expect(same).toBe(true)
    expect(checks.filter(({ outcome }) => outcome === 'failed').map(({ name }) => name)).toEqual(failed)
    // The list of checks is the list of stages: its reasons, in its order, are those of the denial.
    expect(checks.flatMap(({ reasons }) => reasons)).toEqual(made.reasons)
    const denied = STAGES.indexOf(made.stage ?? expect.fail())
    for (const { stage, outcome, compared } of checks) {
      if (STAGES.indexOf(stage) > denied)
        expect({ outcome, compared }).toEqual({ outcome: 'not reached', compared: null })
      if (STAGES.indexOf(stage) < denied) expect(outcome).not.toBe('failed')
    }
  })

  it('names no policy where none permitted, and all that forbade', async () => {
    expect((await explain(decide({ policy: noPolicy }))).policy).toMatchObject({
      outcome: 'deny',
      policies: [],
    })
    expect((await explain(decide({ policy: forbidding }))).policy).toMatchObject({
      outcome: 'deny',
      policies: [{ id: 'no', text: 'forbid(principal, action, resource);' }],
    })
    expect((await explain(decide({ artifact: null }))).policy?.outcome).toBeNull()
  })

  it('of a request for an artifact has nothing of an artifact to look at', async () => {
    const minting = { enabled: true, sessionKeySpki: world.spki(world.session) }
    const decision = decide({
      artifact: null,
      minting,
      request: world.request({ operation: 'authorize', env: [] }),
    })
    expect(decision.outcome).toBe('permit')
    const { checks } = await explain(decision)
    expect(checks.filter(({ outcome }) => outcome === 'not reached')).toEqual([])
    expect(find(checks, 'envelope').outcome).toBe('not applicable')
    expect(find(checks, 'scope.argv').outcome).toBe('not applicable')
    expect(find(checks, 'terms to mint').outcome).toBe('passed')
  })

  it('has names of checks that differ', async () => {
    const { checks } = await explain(decide())
    expect(new Set(checks.map(({ name }) => name)).size).toBe(checks.length)
  })

  it('rests on documents of the keys that are given, or, where none is at hand, on what nobody vouches for', async () => {
    const permit = decide()
    await expect(explain(permit, [world.mallory.public])).rejects.toThrow(AuthorizationError)
    await expect(explain(permit, [])).rejects.toThrow(AuthorizationError)
    expect((await explain(permit, null)).same).toBe(true)
  })

  it('is not the same when the record was changed', async () => {
    const permit = decide()
    const record = Buffer.from(permit.record.toString().replace('"pid":4242', '"pid":4243'))
    expect((await explain({ ...permit, record })).same).toBe(true)
    const forged = Buffer.from(permit.record.toString().replace(/"uid":1000/g, '"uid":1001'))
    const { same, checks } = await explain({ ...permit, record: forged })
    expect(same).toBe(false)
    expect(find(checks, 'initiator').outcome).toBe('failed')
  })
})
