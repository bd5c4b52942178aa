import { describe, expect, it } from 'vitest'
import { INTEGRITY_STAGE } from '../../authorization/stages/integrity.ts'
import * as world from './scenario.ts'
import { codes, decide, payloadDigest, usedBefore } from './scenario.ts'

describe('what goes on has one of the uses itself', () => {
  const going = { request: world.request({ operation: 'continue' }) }

  it('so that the last use of an artifact does not end it', () => {
    const artifact = world.artifact()
    expect(codes(decide({ artifact, uses: usedBefore(artifact) }))).toEqual(['REPLAYED'])
    expect(codes(decide({ ...going, artifact, uses: usedBefore(artifact) }))).toEqual([])
  })

  it('and one use more than there are does', () => {
    const artifact = world.artifact()
    const uses = usedBefore(artifact)
    uses.apply(
      { payload: payloadDigest(artifact), issuer: 'release', id: 'job-1' },
      '2027-01-01T00:00:00.000Z',
    )
    expect(codes(decide({ ...going, artifact, uses }))).toEqual(['REPLAYED'])
  })
})

describe('an artifact that is for hardware', () => {
  const artifact = world.artifact(it => {
    it.environment.simulated = 'deny'
  })
  it.each([
    ['hardware', []],
    ['simulated', ['ENVIRONMENT_MISMATCH']],
    ['unknown', ['ENVIRONMENT_MISMATCH']],
  ] as const)('on a host whose TPM is %s', (tier, expected) => {
    expect(codes(decide({ artifact, gate: { ...world.attested, tier } }))).toEqual(expected)
  })
})

it('a host of which nothing is known is not shown as one that nothing is asked of', () => {
  const check = INTEGRITY_STAGE.checks.find(({ name }) => name === 'tpm')
  const gate = { ...world.attested, state: 'STALE' as const, evidenceAgeMs: null, deadlineInMs: null }
  const shown = (statement: object | null) =>
    check?.compared({ opened: { statement }, input: world.input({ gate }) } as never)
  expect(shown({})).toBeNull()
  expect(shown(null)).toBe('not applicable')
})
