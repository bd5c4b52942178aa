import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Known, type Rehearsal, rehearse } from '../../authorization/index.ts'
import * as world from './scenario.ts'

/** All that a rehearsal can be told of the world in which everything is permitted. */
function known(fields: Partial<Known> = {}): Known {
  const { request, artifact, clock, host, trustRoots, policy } = world.input()
  const { uid, gid, pid } = world.caller()
  return {
    ...{ request, artifact, now: clock.now, hostId: host.id, trustRoots, policy },
    caller: { uid, gid, pid },
    tier: 'hardware',
    ...fields,
  }
}

const rehearsed = (fields: Partial<Known> = {}, seen = world.observed()) =>
  rehearse(known(fields), async () => seen)
const failedCodes = ({ checks }: Rehearsal) => checks.flatMap(({ reasons }) => reasons.map(r => r.code))
const outcome = ({ checks }: Rehearsal, name: string) => checks.find(check => check.name === name)?.outcome

test('what would be permitted fails nothing, and leaves to the daemon what is the daemon’s', async () => {
  const found = await rehearsed()
  expect(failedCodes(found)).toEqual([])
  expect(found.terms).toEqual(world.decide().terms)
  const left = found.checks.filter(check => check.outcome === 'unknown')
  expect(new Set(left.map(check => check.stage))).toEqual(new Set(['integrity', 'use']))
  for (const name of ['envelope', 'signatures', 'issuer', 'validity', 'audience', 'initiator', 'policy']) {
    expect({ name, outcome: outcome(found, name) }).toEqual({ name, outcome: 'passed' })
  }
})

describe('a denial for what can be told is foretold with the same reasons', () => {
  const later = '2026-11-23T00:00:00.000Z'
  const bytes = world.artifact()
  test.each<[string, Partial<Known>]>([
    ['another time', { now: later }],
    ['another host', { hostId: world.OTHER_HOST }],
    ['another uid', { caller: { uid: 4242, gid: 4242, pid: 1 } }],
    ['a changed artifact', { artifact: world.changed(bytes, it => Object.assign(it, { surprise: 1 })) }],
    ['no envelope', { artifact: Buffer.from('{}') }],
    ['other trust roots', { trustRoots: world.trustRoots({ authorities: [] }) }],
    ['arguments that are not signed', { request: world.request({ argv: ['x'] }) }],
    [
      'a forbidding policy',
      { policy: world.policy({ policies: { no: 'forbid(principal, action, resource);' } }) },
    ],
  ])('%s', async (_, fields) => {
    const found = await rehearsed(fields)
    const { caller, now, hostId, tier: _tier, ...rest } = fields
    const decision = world.decide({
      ...rest,
      ...(caller === undefined ? {} : { caller: world.caller(caller) }),
      ...(now === undefined ? {} : { clock: { now, trusted: true } }),
      ...(hostId == null ? {} : { host: { id: hostId, enforces: { controllers: [], devices: [] } } }),
    } as Parameters<typeof world.decide>[0])
    expect(decision.outcome).toBe('deny')
    expect(failedCodes(found)).toEqual(world.codes(decision))
  })

  test('other bytes', async () => {
    const seen = world.observed().map(item => ({ path: item.path, error: 'it is gone' }))
    const found = await rehearsed({}, seen)
    expect(failedCodes(found)).toEqual(world.codes(world.decide({}, seen)))
    expect(found.terms).toBeNull()
    expect(outcome(found, 'policy')).toBe('unknown')
  })
})

describe('what is not known is unknown, never passed', () => {
  test.each<[keyof Known, readonly string[]]>([
    ['trustRoots', ['signatures', 'issuer', 'signers', 'trust roots']],
    ['policy', ['policy in force', 'policy validity', 'policy digest', 'policy']],
    ['hostId', ['audience']],
    ['artifact', ['envelope', 'signatures', 'statement', 'issuer', 'validity', 'audience', 'scope.argv']],
  ])('without %s', async (field, names) => {
    const found = await rehearsed({ [field]: null })
    for (const name of names)
      expect({ name, outcome: outcome(found, name) }).toEqual({ name, outcome: 'unknown' })
    expect(failedCodes(found)).toEqual([])
  })

  test('a unit is the kernel’s to say, a wrong uid is wrong at once', async () => {
    const artifact = world.artifact(it => {
      it.initiator.units = ['job.service']
    })
    expect(outcome(await rehearsed({ artifact }), 'initiator')).toBe('unknown')
    const caller = { uid: 4242, gid: 4242, pid: 1 }
    expect(outcome(await rehearsed({ artifact, caller }), 'initiator')).toBe('failed')
  })
})

test('no bytes as an artifact pass, or throw', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async artifact => {
      const found = await rehearsed({ artifact })
      expect(outcome(found, 'envelope')).toBe('failed')
      expect(found.terms).toBeNull()
      expect(found.checks.filter(check => check.outcome === 'passed')).toEqual([])
    }),
    { numRuns: 100 },
  )
})
