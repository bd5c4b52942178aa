import {
  DEFAULT_SCHEMA,
  type DecisionInput,
  decideAfterOpen,
  type ObservedSubject,
  type PlainInput,
  type RevocationTarget,
  signRevocation,
} from '../../../authorization/index.ts'
import type { LaunchTerms } from '../../../authorization/terms.ts'
import * as world from '../scenario.ts'

/** Text of a file: all that random decisions are made of, so that each process makes the same ones. Binary as base64. */
export interface Corpus {
  /** SubjectPublicKeyInfo of the governance key. */
  readonly governance: string
  readonly plain: PlainInput
  readonly observed: readonly ObservedSubject[]
  readonly artifacts: readonly (string | null)[]
  readonly trustRoots: readonly (string | null)[]
  readonly policies: readonly (string | null)[]
  readonly labels: readonly (string | null)[]
  /** Each a set of documents, in order. */
  readonly revocations: readonly (readonly string[])[]
  readonly parents: readonly CorpusParent[]
  /** Issuer, id and payload of what may have been used. */
  readonly claims: readonly { payload: string; issuer: string; id: string }[]
  readonly otherHost: string
}

export interface CorpusParent {
  readonly executionId: string
  readonly record: string
  readonly terms: LaunchTerms
}

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64')
type Change = Parameters<typeof world.artifact>[0]

/** What each artifact has of its own; the first are permitted. */
const ARTIFACTS: readonly [change: Change, keys?: Parameters<typeof world.artifact>[1]][] = [
  [it => void it],
  [
    it => {
      it.validity.maxUses = 'any'
      it.id = 'job-any'
    },
  ],
  [
    it => {
      it.validity.maxUses = 3
      it.id = 'job-three'
      it.scope.children = { max: 2, depth: 2, atOnce: 1, perMinute: 2, programs: 'any' }
    },
  ],
  [
    it => {
      it.issuer = 'board'
      it.id = 'job-board'
    },
    [world.alice, world.bob],
  ],
  [
    it => {
      it.parent.execution = 'any'
      it.id = 'job-child'
    },
  ],
  [
    it => {
      it.audience.labels = ['rack-7']
      it.id = 'job-labels'
    },
  ],
  [
    it => {
      it.environment.resetCount = 5
      it.environment.simulated = 'deny'
      it.id = 'job-boot'
    },
  ],
  // From here on something is wrong with each.
  [
    it => {
      it.issuer = 'board'
    },
    [world.alice],
  ],
  [it => void it, [world.mallory]],
  [
    it => {
      it.policy.digest = '0'.repeat(64)
    },
  ],
  [
    it => {
      it.audience.hosts = [world.OTHER_HOST]
    },
  ],
  [
    it => {
      it.initiator.gids = [4]
      it.initiator.units = ['sshd.service']
    },
  ],
]

/** Makes the corpus, with keys of its own. */
export function makeCorpus(): Corpus {
  const artifacts = ARTIFACTS.map(([change, keys]) => world.artifact(change, keys))
  const good = artifacts[0] as Buffer
  const badSignature = world.changed(good, it => {
    const [first] = it.signatures as { sig: string }[]
    if (first !== undefined) first.sig = base64(Buffer.alloc(64, 7))
  })
  const policies = [
    world.policyEnvelope(),
    world.policyEnvelope({
      version: 2,
      policies: {
        all: world.PERMIT_ALL,
        'no-net': 'forbid(principal, action, resource) when { context.request.network == "host" };',
        young: 'forbid(principal, action, resource) when { context.attestation.ageMs > 20000 };',
      },
    }),
    world.policyEnvelope({ version: 3, policies: { none: 'forbid(principal, action, resource);' } }),
    world.policyEnvelope({
      version: 4,
      policies: {
        all: world.PERMIT_ALL,
        overflow: 'forbid(principal, action, resource) when { context.now * 9223372036854775807 > 0 };',
      },
      schema: DEFAULT_SCHEMA,
    }),
  ]
  const revoke = (epoch: number, ...revoke: RevocationTarget[]) =>
    base64(signRevocation({ version: 1, epoch, revoke }, world.governance))
  const { request, caller, host, gate, lineage, fault, clock, minting } = world.input()
  return {
    governance: world.spki(world.governance),
    plain: { request, caller, host, gate, lineage, fault, clock, minting },
    observed: world.observed(),
    artifacts: [null, ...[...artifacts, badSignature, Buffer.from('{}'), Buffer.alloc(200_000)].map(base64)],
    trustRoots: [
      null,
      base64(world.trustRoots().envelope),
      base64(world.trustRoots({ version: 2, authorities: [] }).envelope),
    ],
    policies: [null, ...policies.map(base64)],
    labels: [
      null,
      base64(world.labels('rack-7').envelope),
      base64(world.labels('rack-7', { version: 2, notAfter: '2026-11-21T01:00:00.000Z' }).envelope),
    ],
    revocations: [
      [],
      [revoke(1, { kind: 'artifact', digest: '0'.repeat(64) })],
      [
        revoke(1, { kind: 'program', digest: world.MODEL_DIGEST }),
        revoke(2, { kind: 'artifact', digest: world.payloadDigest(good) }),
        revoke(5, { kind: 'key', id: world.alice.public.id }, { kind: 'execution', id: world.EXECUTION }),
      ],
    ],
    parents: [parentOf({ max: 2, depth: 3, atOnce: 1, perMinute: 2, programs: 'any' }), parentOf('none')],
    claims: artifacts.slice(0, 4).map(bytes => {
      const { issuer, id } = JSON.parse(
        Buffer.from(JSON.parse(bytes.toString()).payload, 'base64').toString(),
      ).predicate
      return { payload: world.payloadDigest(bytes), issuer, id }
    }),
    otherHost: world.OTHER_HOST,
  }
}

/** A permit that a child can refer to. */
function parentOf(children: LaunchTerms['children']): CorpusParent {
  const executionId = children === 'none' ? 'e'.repeat(32) : 'f'.repeat(32)
  const input: DecisionInput = world.input({
    artifact: world.artifact(it => {
      it.scope.children = children
    }),
    request: world.request({ executionId, children: children !== 'none' }),
  })
  const { terms, record } = decideAfterOpen(input, world.observed())
  if (terms === null) throw new Error('the parent was denied')
  return { executionId, record: base64(record), terms }
}
