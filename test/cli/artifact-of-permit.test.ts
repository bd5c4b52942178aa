import { describe, expect, test } from 'vitest'
import { type DecisionRecord, signTrustRoots } from '../../authorization/index.ts'
import { checkArtifact } from '../../cli/verify/decisions.ts'
import { sha256Hex } from '../../encoding/digest.ts'
import type { LineageEvent } from '../../lineage/index.ts'
import * as world from '../authorization/scenario.ts'

type Decision = LineageEvent & { type: 'decision' }

/** A permit whose entry says that its artifact ends at `notAfter`. */
function check(notAfter: string) {
  const envelope = world.artifact()
  const roots = signTrustRoots(
    {
      ...world.LASTING,
      version: 1,
      authorities: [world.authority('release', world.held('alice', world.alice))],
    },
    world.governance,
  )
  const blobs = new Map([envelope, roots].map(bytes => [sha256Hex(bytes), bytes]))
  const event = {
    artifact: world.payloadDigest(envelope),
    use: { issuer: 'release', id: 'job-1', maxUses: 1, notAfter },
  } as Decision
  const inputs = {
    ...{ artifact: { digest: sha256Hex(envelope) }, trustRoots: sha256Hex(roots), clock: { now: world.NOW } },
  } as NonNullable<DecisionRecord['inputs']>
  return checkArtifact(event, inputs, {
    operators: [world.governance.public],
    blob: async digest => blobs.get(digest) ?? Buffer.alloc(0),
    appraisal: undefined,
  })
}

const { notAfter } = world.authorization().validity

describe('the entry of a permit', () => {
  test('names the end of its artifact, until which its uses are kept', async () => {
    expect(await check(String(notAfter))).toMatch(/^[0-9a-f]{64}$/)
  })

  test.each(['2026-11-21T23:59:59.999Z', '2026-11-22T00:00:00.001Z', '2020-01-01T00:00:00.000Z'])(
    'that names another, %s, is not believed',
    async other => {
      await expect(check(other)).rejects.toThrow('another end of its validity')
    },
  )
})
