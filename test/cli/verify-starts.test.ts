import { describe, expect, test } from 'vitest'
import { type Decision, RevocationSet, type RevocationTarget } from '../../authorization/index.ts'
import { checkLapsed } from '../../cli/verify/starts.ts'
import type { LogEntry } from '../../cli/verify/steps.ts'
import { Timeline } from '../../cli/verify/timeline.ts'
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
const MODEL: RevocationTarget = { kind: 'program', digest: world.MODEL_DIGEST }
for (const bytes of [
  artifact,
  world.defaultTrust.envelope,
  world.defaultPolicy.envelope,
  RevocationSet.empty.manifest,
])
  keep(bytes)

const { epoch } = world.attested
const executionId = world.EXECUTION
const CHILD = { executionId: 'cd'.repeat(16) }
const EVENTS = {
  run: { type: 'daemon-start' },
  policy: { type: 'policy', digest: world.defaultPolicy.digest },
  'other policy': { type: 'policy', digest: 'ef'.repeat(32) },
  permit: { type: 'decision', record: sha256Hex(permit.record), caller: { parent: null } },
  start: { type: 'execution-start', epoch, decision: 1 },
  'child permit': {
    ...CHILD,
    type: 'decision',
    record: sha256Hex(permit.record),
    caller: { parent: executionId },
  },
  'child start': { ...CHILD, type: 'execution-start', epoch, decision: 1 },
  'child kill': { ...CHILD, type: 'kill-sent' },
  'hand-over': { type: 'hand-over' },
  freeze: { type: 'freeze' },
  renewal: { type: 'renewal', record: sha256Hex(renewal.record) },
  revocation: { type: 'revocation' },
  adoption: { type: 'adoption', epoch, decision: 1 },
  thaw: { type: 'thaw', epoch },
  kill: { type: 'kill-sent' },
  revoked: { type: 'execution-end', cause: 'REVOKED' },
  exited: { type: 'execution-end', cause: 'EXITED' },
  later: { type: 'appraisal', verdict: 'fail' },
}

type Step = [atSeconds: number, entry: keyof typeof EVENTS]

const check = (...steps: Step[]) => checkRevoked(MODEL, ...steps)

async function checkRevoked(target: RevocationTarget, ...steps: Step[]) {
  const revocations = world.revoked(target)
  const state = {
    config: new Timeline({ maxEvidenceAgeMs: 60_000 }, 0),
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

describe('what ran when it was revoked', () => {
  const runs: Step[] = [
    [1, 'run'],
    [1, 'permit'],
    [2, 'start'],
  ]
  const withChild: Step[] = [...runs, [2, 'child permit'], [3, 'child start']]
  const handedOver: Step[] = [...runs, [5, 'hand-over'], [5, 'revocation'], [60, 'run']]
  const key = (id: string): RevocationTarget => ({ kind: 'key', id })

  test('is killed, or ends by itself', async () => {
    await check(...runs, [5, 'revocation'], [5, 'kill'], [50, 'later'])
    await check(...runs, [5, 'kill'], [5, 'revocation'], [50, 'later'])
    await check(...runs, [5, 'revocation'], [6, 'revoked'], [50, 'later'])
    await check(...runs, [5, 'revocation'], [6, 'exited'], [50, 'later'])
  })

  test('may live on for as long as its end takes, or where the log says no more of it', async () => {
    await check(...runs, [5, 'revocation'], [14, 'later'])
    await check(...runs, [5, 'revocation'])
    await check(...handedOver, [61, 'later'], [62, 'kill'], [120, 'later'])
  })

  test.each<[string, Step[]]>([
    ['is not killed', [...runs, [5, 'revocation'], [20, 'later']]],
    ['is killed much later', [...runs, [5, 'revocation'], [20, 'later'], [21, 'kill']]],
    ['is not killed by the next run', [...handedOver, [120, 'later']]],
    ['has a child that is not', [...withChild, [5, 'revocation'], [5, 'kill'], [20, 'later']]],
  ])('is a failure if it %s', async (_, steps) => {
    await expect(check(...steps)).rejects.toThrow('runs on, and what it runs was revoked in entry')
  })

  test.each<[string, RevocationTarget, boolean]>([
    ['its artifact', { kind: 'artifact', digest: world.payloadDigest(artifact) }, true],
    ['its program', { kind: 'program', digest: world.PROGRAM_DIGEST }, true],
    ['the only key that signed it', key(world.alice.public.id), true],
    ['its host', { kind: 'host', id: world.HOST }, true],
    ['it', { kind: 'execution', id: executionId }, true],
    ['the policy in force', { kind: 'policy', digest: world.defaultPolicy.digest }, true],
    ['another policy', { kind: 'policy', digest: 'ef'.repeat(32) }, false],
    ['another artifact', { kind: 'artifact', digest: 'ef'.repeat(32) }, false],
    ['a key that did not sign it', key(world.bob.public.id), false],
    ['another host', { kind: 'host', id: world.OTHER_HOST }, false],
  ])('is what was permitted by what is revoked: %s', async (_, target, isHit) => {
    const found = checkRevoked(target, ...runs, [4, 'policy'], [5, 'revocation'], [20, 'later'])
    if (isHit) await expect(found).rejects.toThrow('runs on')
    else await found
  })

  test('is not what a policy permitted that another one has replaced', async () => {
    const target: RevocationTarget = { kind: 'policy', digest: world.defaultPolicy.digest }
    await checkRevoked(target, ...runs, [3, 'policy'], [4, 'other policy'], [5, 'revocation'], [20, 'later'])
  })

  test('is what descends from what is named, when that has ended too', async () => {
    const target: RevocationTarget = { kind: 'execution', id: executionId }
    const orphan: Step[] = [...withChild, [4, 'exited'], [5, 'revocation']]
    await expect(checkRevoked(target, ...orphan, [20, 'later'])).rejects.toThrow('runs on')
    await checkRevoked(target, ...orphan, [6, 'child kill'], [20, 'later'])
  })
})
