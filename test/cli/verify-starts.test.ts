import { describe, expect, test } from 'vitest'
import { type Decision, RevocationSet } from '../../authorization/index.ts'
import { checkLapsed } from '../../cli/verify/starts.ts'
import type { LogEntry } from '../../cli/verify/steps.ts'
import { sha256Hex } from '../../encoding/digest.ts'
import * as world from '../authorization/scenario.ts'

const blobs = new Map<string, Buffer>()
const keep = (bytes: Buffer) => blobs.set(sha256Hex(bytes), bytes)
const artifact = world.artifact()
const decided = (operation: 'execute' | 'continue'): Decision => {
  const decision = world.decide({ artifact, request: world.request({ operation }) })
  keep(decision.record)
  return decision
}
const [permit, renewal] = [decided('execute'), decided('continue')]
const revocations = world.revoked({ kind: 'program', digest: world.MODEL_DIGEST })
for (const bytes of [
  artifact,
  world.defaultTrust.envelope,
  world.defaultPolicy.envelope,
  RevocationSet.empty.manifest,
])
  keep(bytes)

const { epoch } = world.attested
const executionId = world.EXECUTION
const EVENTS = {
  run: { type: 'daemon-start' },
  permit: { type: 'decision', record: sha256Hex(permit.record) },
  start: { type: 'execution-start', epoch, decision: 1 },
  'hand-over': { type: 'hand-over' },
  freeze: { type: 'freeze' },
  renewal: { type: 'renewal', record: sha256Hex(renewal.record) },
  revocation: { type: 'revocation' },
  adoption: { type: 'adoption', epoch },
  thaw: { type: 'thaw', epoch },
  revoked: { type: 'execution-end', cause: 'REVOKED' },
  exited: { type: 'execution-end', cause: 'EXITED' },
  later: { type: 'appraisal', verdict: 'fail' },
}

type Step = [atSeconds: number, entry: keyof typeof EVENTS]

async function check(...steps: Step[]) {
  const state = {
    config: { newest: { maxEvidenceAgeMs: 60_000 } },
    gate: { newest: { state: 'ATTESTED', epoch, sinceMs: 0 } },
    revocations: { newest: RevocationSet.empty },
    apply: async ({ event }: LogEntry) => {
      if (event.type === 'revocation') state.revocations.newest = revocations
    },
  }
  const entries = steps.map(([seconds, step], index) => {
    const time = new Date(seconds * 1000).toISOString()
    const names = { renewal: steps.findIndex(([, other]) => other === 'renewal') }
    return { index, event: { executionId, time, bootNs: String(seconds * 1e9), ...names, ...EVENTS[step] } }
  })
  const blob = async (digest: string) => blobs.get(digest) ?? expect.fail(digest)
  return checkLapsed(entries as never, [world.governance.public], blob, state as never)
}

describe('what was revoked between the decision that it goes on and the entry that it does', () => {
  const kept: Step[] = [
    [1, 'run'],
    [1, 'permit'],
    [2, 'start'],
    [3, 'hand-over'],
    [4, 'run'],
    [5, 'renewal'],
  ]
  const frozen: Step[] = [
    [1, 'run'],
    [1, 'permit'],
    [2, 'start'],
    [3, 'freeze'],
    [5, 'renewal'],
  ]

  test('ended: the entry was on its way', async () => {
    await check(...kept, [5, 'adoption'], [50, 'later'])
    await check(...kept, [5, 'revocation'], [6, 'adoption'], [7, 'revoked'])
    // Under the lease that it had.
    await check(...kept, [5, 'revocation'], [6, 'adoption'], [7, 'exited'])
    await check(...kept, [5, 'revocation'], [6, 'adoption'])
    await check(...frozen, [5, 'revocation'], [6, 'thaw'], [7, 'revoked'])
  })

  test.each<[string, Step[], string]>([
    ['adopted, runs on', [...kept, [5, 'revocation'], [6, 'adoption'], [20, 'later']], 'an adoption'],
    [
      'is adopted long after that',
      [...kept, [5, 'revocation'], [20, 'adoption'], [21, 'revoked']],
      'an adoption',
    ],
    ['thawed, runs on', [...frozen, [5, 'revocation'], [6, 'thaw'], [20, 'later']], 'a thaw'],
    ['thawed, ends by itself', [...frozen, [5, 'revocation'], [6, 'thaw'], [7, 'exited']], 'a thaw'],
    ['is thawed long after that', [...frozen, [5, 'revocation'], [20, 'thaw'], [21, 'revoked']], 'a thaw'],
  ])('is a failure if it %s', async (_, steps, name) => {
    await expect(check(...steps)).rejects.toThrow(`${name}, and what it runs was revoked`)
  })
})
