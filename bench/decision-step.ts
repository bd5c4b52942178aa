import { parseEnvelope, signEnvelope } from '../signing/dsse.ts'
import { generateKey } from '../signing/key.ts'
import * as world from '../test/authorization/scenario.ts'
import { policySet } from './governed.ts'
import { format, makeRow, median, type Row } from './measure.ts'

export const decisionStepTitle = 'one decision without a pause, the worst inputs, in ms'

/** Longer than that, a decision keeps everybody else waiting. */
const GOAL_MS = 5
const ROUNDS = 30
/** Rounds that fill caches and have the engine compile what runs often. */
const WARM_UP = 10

/** What a caller can make a decision look at, each as large as it may be, and never the same twice where a cache would know it. */
const WORST: Readonly<Record<string, () => () => unknown>> = {
  'a thousand policies': () => {
    const policy = world.policy({ version: 9, policies: policySet(1000) })
    const anyPolicy = world.artifact(it => {
      it.policy.digest = 'any'
      it.scope.argv = 'any'
    })
    let round = 0
    return () =>
      world.decide({
        policy,
        artifact: anyPolicy,
        request: world.request({ argv: [world.PROGRAM, `${round++}`] }),
        gate: { ...world.attested, evidenceAgeMs: round * 100 },
      })
  },
  'sixteen signatures by nobody, sixty-four keys': () => {
    const keys = Array.from({ length: 64 }, (_, i) => generateKey(i % 2 === 0 ? 'ed25519' : 'ecdsa-p256'))
    const authorities = [0, 1].map(half => ({
      name: half === 0 ? 'release' : 'other',
      threshold: 1,
      requester: 'none' as const,
      keys: keys.slice(half * 32, half * 32 + 32).map((key, i) => ({
        key: world.spki(key),
        holder: `holder-${half}-${i}`,
        role: 'approver' as const,
        notBefore: 'any' as const,
        notAfter: 'any' as const,
      })),
    }))
    const trustRoots = world.trustRoots({ authorities })
    const { payloadType, payload } = parseEnvelope(world.artifact())
    const strangers = Array.from({ length: 16 }, (_, i) =>
      generateKey(i % 2 === 0 ? 'ed25519' : 'ecdsa-p256'),
    )
    const envelope = signEnvelope(payloadType, payload, strangers)
    return () => world.decide({ trustRoots, artifact: Buffer.from(envelope) })
  },
  'the largest artifact': () => {
    const argv = Array.from({ length: 250 }, (_, i) => `${i}`.padEnd(300, 'x'))
    const artifact = world.artifact(it => {
      it.scope.argv = [world.PROGRAM, ...argv]
    })
    const request = world.request({ argv: [world.PROGRAM, ...argv] })
    return () => world.decide({ artifact: Buffer.from(artifact), request })
  },
  'the largest request': () => {
    const artifact = world.artifact(it => {
      it.scope.argv = 'any'
    })
    let round = 0
    return () => {
      const argv = Array.from({ length: 4000 }, () => `${round++}`.padEnd(50, 'x'))
      return world.decide({ artifact, request: world.request({ argv: [world.PROGRAM, ...argv] }) })
    }
  },
}

/** The longest of the medians, in processor time: one decision is one synchronous step, and the daemon has one thread. */
export function decisionStep(): Row {
  const found = Object.entries(WORST).map(([name, prepare]) => {
    const decide = prepare()
    const samples: number[] = []
    for (let i = -WARM_UP; i < ROUNDS; i++) {
      const before = process.threadCpuUsage()
      decide()
      const { user, system } = process.threadCpuUsage(before)
      if (i >= 0) samples.push((user + system) / 1000)
    }
    return { name, samples }
  })
  const worst = found.reduce((a, b) => (median(b.samples) > median(a.samples) ? b : a))
  const each = found.map(({ name, samples }) => `${name} ${format(median(samples))}`).join('; ')
  return makeRow(
    decisionStepTitle,
    1,
    worst.samples,
    median(worst.samples) / GOAL_MS,
    `the limit of ${GOAL_MS} ms; ${each}`,
  )
}
