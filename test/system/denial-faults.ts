import type { Authorization, ReasonCode, Statement } from '../../authorization/index.ts'

/** A request that would be permitted, before it is signed and sent; each fault spoils one thing of it. */
export interface Draft {
  predicate: Authorization
  subject: Statement['subject']
  /** What no version of the statement knows. */
  unknownField: boolean
  signer: 'authority' | 'stranger'
  brokenSignature: boolean
  sent: boolean
  program: '/bin/true' | '/bin/false'
  argv: string[]
  cwd: string
}

/** What is wrong with one request. */
export type Fault = Exclude<ReasonCode, World | Elsewhere>

/** What is wrong with the host, whatever is asked. */
export const WORLDS = ['CAPACITY', 'CLOCK_UNTRUSTED', 'ATTESTATION_FAILED'] as const
export type World = (typeof WORLDS)[number]

/** Reasons that no request over the main socket of a sound daemon leads to, each with why, and where it is tested. */
export const ELSEWHERE = {
  CALLER_UNKNOWN:
    'whoever the kernel does not name is not served: the connection is closed before there is a request (test/daemon/rpc)',
  INTERNAL:
    'is about what fails on the way, and a daemon whose launcher is gone ends and denies nothing (test/daemon/decider.test.ts)',
  LINEAGE_BROKEN:
    'a daemon whose log does not hold together does not start (test/system/bad-input/start.test.ts)',
  LINEAGE_UNAVAILABLE: 'needs a disk that is full (test/system/bad-input/disk.test.ts)',
  PARENT_ENDED:
    "is about a request over an execution's own socket, which goes away with it (test/system/children.test.ts)",
} as const satisfies Partial<Record<ReasonCode, string>>
type Elsewhere = keyof typeof ELSEWHERE

const LONG_AGO = { notBefore: '2020-01-01T00:00:00.000Z', notAfter: '2021-01-01T00:00:00.000Z' }
const LATER = { notBefore: '2090-01-01T00:00:00.000Z', notAfter: '2091-01-01T00:00:00.000Z' }

/** How each is brought about, from outside. In no order. */
export const FAULTS: Readonly<Record<Fault, (draft: Draft) => void>> = {
  ARTIFACT_MISSING: draft => {
    draft.sent = false
  },
  ARTIFACT_MALFORMED: draft => {
    draft.unknownField = true
  },
  SIGNATURE_INVALID: draft => {
    draft.brokenSignature = true
  },
  SIGNER_UNTRUSTED: draft => {
    draft.signer = 'stranger'
  },
  // Of its two keys one signs.
  THRESHOLD_NOT_MET: ({ predicate }) => {
    predicate.issuer = 'board'
  },
  ARTIFACT_EXPIRED: ({ predicate }) => Object.assign(predicate.validity, LONG_AGO),
  ARTIFACT_NOT_YET_VALID: ({ predicate }) => Object.assign(predicate.validity, LATER),
  AUDIENCE_MISMATCH: ({ predicate }) => {
    predicate.audience.hosts = [`000b${'cd'.repeat(32)}`]
  },
  INITIATOR_MISMATCH: ({ predicate }) => {
    predicate.initiator.uids = [1]
  },
  SUBJECT_MISMATCH: draft => {
    draft.subject = draft.subject.map((item, i) =>
      i === 0 ? { ...item, digest: { sha256: '0'.repeat(64) } } : item,
    )
  },
  SCOPE_EXCEEDED: draft => {
    draft.cwd = '/usr'
  },
  // Its evidence is older than that by the time of the first request, and young enough for the host.
  ATTESTATION_STALE: ({ predicate }) => {
    predicate.environment.maxEvidenceAge = 1
  },
  ENVIRONMENT_MISMATCH: ({ predicate }) => {
    predicate.environment.simulated = 'deny'
  },
  POLICY_MISMATCH: ({ predicate }) => {
    predicate.policy.digest = '0'.repeat(64)
  },
  POLICY_DENIED: draft => {
    draft.argv.push('forbidden')
  },
  POLICY_ERROR: draft => {
    draft.argv.push('overflow')
  },
  // Its digest is on the list.
  REVOKED: draft => {
    draft.program = '/bin/false'
  },
  // Another artifact was used under this id.
  REPLAYED: ({ predicate }) => {
    predicate.id = 'taken'
  },
}

/** Policies that permit all, forbid or fail as the argument says; by file. */
export const POLICIES = {
  'permit.cedar': 'permit (principal, action, resource);',
  'forbidden.cedar':
    'forbid (principal, action, resource) when { context.request.argv.contains("forbidden") };',
  'overflow.cedar':
    'forbid (principal, action, resource) when { context.request.argv.contains("overflow") && context.now + 9223372036854775807 > 0 };',
} as const

/** The stages, and the order in which each lists its reasons. */
const STAGES: readonly (readonly ReasonCode[])[] = [
  [
    ...(['CAPACITY', 'ARTIFACT_MISSING', 'SIGNATURE_INVALID', 'SIGNER_UNTRUSTED'] as const),
    ...(['ARTIFACT_MALFORMED', 'THRESHOLD_NOT_MET', 'CLOCK_UNTRUSTED', 'ARTIFACT_EXPIRED'] as const),
    ...(['ARTIFACT_NOT_YET_VALID', 'AUDIENCE_MISMATCH', 'INITIATOR_MISMATCH'] as const),
  ],
  ['SUBJECT_MISMATCH', 'SCOPE_EXCEEDED'],
  ['ATTESTATION_FAILED', 'ATTESTATION_STALE', 'ENVIRONMENT_MISMATCH'],
  ['POLICY_MISMATCH', 'POLICY_ERROR', 'POLICY_DENIED'],
  ['REVOKED', 'REPLAYED'],
]

/** Faults of an artifact: a request that has none cannot have them. */
const OF_ARTIFACT: readonly ReasonCode[] = [
  ...(['ARTIFACT_MALFORMED', 'SIGNATURE_INVALID', 'SIGNER_UNTRUSTED', 'THRESHOLD_NOT_MET'] as const),
  ...(['ARTIFACT_EXPIRED', 'ARTIFACT_NOT_YET_VALID', 'AUDIENCE_MISMATCH', 'INITIATOR_MISMATCH'] as const),
  ...(['SUBJECT_MISMATCH', 'SCOPE_EXCEEDED', 'ATTESTATION_STALE', 'ENVIRONMENT_MISMATCH'] as const),
  ...(['POLICY_MISMATCH', 'REVOKED', 'REPLAYED'] as const),
]

/** Pairs of which both never hold at once, and why. */
const NEVER_BOTH: readonly (readonly [one: ReasonCode, others: readonly ReasonCode[], why: string])[] = [
  ['ARTIFACT_MISSING', OF_ARTIFACT, 'there is no artifact that could have it'],
  ['ARTIFACT_EXPIRED', ['ARTIFACT_NOT_YET_VALID'], 'what ends before it begins is malformed'],
  [
    'SIGNATURE_INVALID',
    ['SIGNER_UNTRUSTED'],
    'one says why no trusted key signed: a named one did not, or none is named',
  ],
  ['CAPACITY', ['ATTESTATION_FAILED'], 'nothing goes on that could take the room'],
]

/** What is not looked at where the first holds: it is hidden by it, and why. */
const HIDES: readonly (readonly [by: ReasonCode, hidden: readonly ReasonCode[], why: string])[] = [
  [
    'ARTIFACT_MALFORMED',
    [
      'THRESHOLD_NOT_MET',
      'ARTIFACT_EXPIRED',
      'ARTIFACT_NOT_YET_VALID',
      'AUDIENCE_MISMATCH',
      'INITIATOR_MISMATCH',
    ],
    'what cannot be read says nothing of it',
  ],
  ['SIGNATURE_INVALID', ['THRESHOLD_NOT_MET'], 'there are no signers to count'],
  ['SIGNER_UNTRUSTED', ['THRESHOLD_NOT_MET'], 'there are no signers to count'],
  ['POLICY_ERROR', ['POLICY_DENIED'], 'what another policy says does not count when one fails'],
  [
    'ATTESTATION_FAILED',
    ['ATTESTATION_STALE', 'ENVIRONMENT_MISMATCH'],
    'no evidence counts, so nothing is known of the host',
  ],
]

/** Why two never hold at once; null if they may. */
export function neverBoth(a: ReasonCode, b: ReasonCode): string | null {
  const found = NEVER_BOTH.find(
    ([one, others]) => (one === a && others.includes(b)) || (one === b && others.includes(a)),
  )
  return found?.[2] ?? null
}

/** What a denial lists when all of these hold: the reasons of the first stage that finds one, in its order, but for what is hidden. */
export function expected(codes: readonly ReasonCode[]): ReasonCode[] {
  const seen = (code: ReasonCode) =>
    codes.includes(code) &&
    !HIDES.some(([by, hidden]) => by !== code && codes.includes(by) && hidden.includes(code))
  return STAGES.map(stage => stage.filter(seen)).find(found => found.length > 0) ?? []
}
