import {
  type Authorization,
  type Caller,
  DEFAULT_SCHEMA,
  type Decision,
  type DecisionInput,
  decideAfterOpen,
  type ExecutionRequest,
  type HostLabels,
  type HostLabelsFields,
  issueArtifact,
  type KeyTerms,
  type ObservedSubject,
  openHostLabels,
  openPolicyBundle,
  openRevocation,
  openTrustRoots,
  type PolicyBundle,
  type PolicyBundleFields,
  RevocationSet,
  type RevocationTarget,
  type SubjectDigest,
  signHostLabels,
  signPolicyBundle,
  signRevocation,
  signTrustRoots,
  type TrustRoots,
  type TrustRootsFields,
  UseTable,
} from '../../authorization/index.ts'
import { sha256Hex } from '../../encoding/digest.ts'
import { parseEnvelope } from '../../signing/dsse.ts'
import { generateKey, type PrivateKey } from '../../signing/key.ts'

/** A small world in which one artifact is permitted; each test changes one thing of it. */

export const HOST = `000b${'ab'.repeat(32)}`
export const OTHER_HOST = `000b${'cd'.repeat(32)}`
export const NOW = '2026-11-21T02:00:00.000Z'
export const PROGRAM = '/opt/app/infer'
export const MODEL = '/opt/app/weights'
export const PROGRAM_DIGEST = sha256Hex(Buffer.from('program'))
export const MODEL_DIGEST = sha256Hex(Buffer.from('model'))
export const REFERENCE = sha256Hex(Buffer.from('reference values'))
export const EXECUTION = '0123456789abcdef0123456789abcdef'

export const governance = generateKey('ed25519')
export const alice = generateKey('ed25519')
export const bob = generateKey('ecdsa-p256')
export const carol = generateKey('ed25519')
export const dave = generateKey('ecdsa-p256')
export const mallory = generateKey('ed25519')
export const session = generateKey('ed25519')

export const spki = (key: PrivateKey): string => key.public.spki.toString('base64')

/** A key of an authority; by itself an approver's, at any time. */
export const held = (holder: string, key: PrivateKey, terms: Partial<KeyTerms> = {}) => ({
  ...{ key: spki(key), holder, role: 'approver' as const, notBefore: 'any', notAfter: 'any' },
  ...terms,
})

/** An authority that asks for so many of its holders, and for no requester. */
export const authority = (name: string, ...keys: ReturnType<typeof held>[]) => ({
  ...{ name, threshold: 1, requester: 'none' as const, keys },
})

/** Trust roots that do not end. */
export const LASTING = { notAfter: 'any' } as const

export function trustRoots(fields: Partial<TrustRootsFields> = {}): TrustRoots {
  const authorities = [
    authority('release', held('alice', alice)),
    { ...authority('board', held('alice', alice), held('bob', bob), held('carol', carol)), threshold: 2 },
  ]
  return openTrustRoots(signTrustRoots({ ...LASTING, version: 1, authorities, ...fields }, governance), [
    governance.public,
  ])
}

export function labels(label: string, fields: Partial<HostLabelsFields> = {}): HostLabels {
  const envelope = signHostLabels(
    { version: 1, host: HOST, labels: [label], notAfter: 'any', ...fields },
    governance,
  )
  return openHostLabels(envelope, [governance.public])
}

export const PERMIT_ALL = 'permit(principal, action, resource);'

export function policyEnvelope(fields: Partial<PolicyBundleFields> = {}): Buffer {
  const bundle = {
    version: 1,
    notBefore: 'any',
    notAfter: 'any',
    cedarVersion: '4.5',
    policies: { all: PERMIT_ALL },
    schema: DEFAULT_SCHEMA,
    entities: [],
    ...fields,
  }
  return signPolicyBundle(bundle, governance)
}

export function policy(fields: Partial<PolicyBundleFields> = {}): PolicyBundle {
  return openPolicyBundle(policyEnvelope(fields), [governance.public])
}

export const defaultTrust = trustRoots()
export const defaultPolicy = policy()

export const SUBJECTS: SubjectDigest[] = [
  { name: 'infer', sha256: PROGRAM_DIGEST },
  { name: 'weights', sha256: MODEL_DIGEST },
]

export function authorization(change: (it: Authorization) => void = () => {}): Authorization {
  const it: Authorization = {
    id: 'job-1',
    issuer: 'release',
    audience: { hosts: [HOST], labels: 'any' },
    validity: { notBefore: '2026-11-20T00:00:00.000Z', notAfter: '2026-11-22T00:00:00.000Z', maxUses: 1 },
    initiator: { uids: [1000], gids: 'any', units: 'any', cgroups: 'any', programs: 'any' },
    scope: {
      program: { subject: 'infer', path: PROGRAM },
      files: [{ subject: 'weights', path: MODEL, role: 'other' }],
      argv: [PROGRAM, '--digits', { any: true }],
      env: [{ name: 'LANG', value: 'C' }],
      cwd: '/',
      user: 'own',
      stdio: { stdin: 'pipe', stdout: 'pipe', stderr: 'pipe' },
      sandbox: { network: 'none', seccomp: 'default', writable: ['/var/tmp/job'] },
      limits: {
        runTime: 60,
        memoryBytes: 1 << 28,
        pids: 16,
        cpuSeconds: 'any',
        openFiles: 64,
        outputBytes: 1 << 20,
        cpuPercent: 'any',
        fileBytes: 'any',
      },
      devices: [],
      children: 'none',
    },
    environment: { referenceValues: REFERENCE, maxEvidenceAge: 30, simulated: 'allow', resetCount: 'any' },
    policy: { digest: defaultPolicy.digest },
    parent: { execution: 'none' },
    onLapse: 'kill',
  }
  change(it)
  return it
}

export function artifact(
  change?: (it: Authorization) => void,
  keys: readonly PrivateKey[] = [alice],
  subjects: readonly SubjectDigest[] = SUBJECTS,
): Buffer {
  return issueArtifact(subjects, authorization(change), keys)
}

export function request(fields: Partial<ExecutionRequest> = {}): ExecutionRequest {
  return {
    executionId: EXECUTION,
    operation: 'execute',
    program: PROGRAM,
    argv: [PROGRAM, '--digits', '7'],
    env: null,
    cwd: null,
    user: null,
    stdio: null,
    sandbox: { network: null, seccomp: null, writable: null },
    limits: {
      runTimeMs: null,
      memoryBytes: null,
      pids: null,
      cpuSeconds: null,
      openFiles: null,
      outputBytes: null,
      cpuPercent: null,
      fileBytes: null,
    },
    devices: null,
    children: false,
    detach: false,
    files: [],
    ...fields,
  }
}

export function caller(fields: Partial<Caller> = {}): Caller {
  return {
    uid: 1000,
    gid: 1000,
    pid: 4242,
    cgroup: '/user.slice',
    unit: null,
    program: null,
    parentExecution: null,
    ...fields,
  }
}

export const attested: DecisionInput['gate'] = {
  state: 'ATTESTED',
  epoch: 3,
  evidenceAgeMs: 4_000,
  deadlineInMs: 26_000,
  referenceValuesDigest: REFERENCE,
  tier: 'simulated',
  resetCount: 5,
  claims: null,
  appraisalIndex: '17',
  reasons: [],
}

export type TestInput = DecisionInput & { readonly uses: UseTable }

export function input(fields: Partial<TestInput> = {}): TestInput {
  return {
    request: request(),
    caller: caller(),
    host: { id: HOST, enforces: { controllers: ['memory', 'pids', 'cpu'], devices: ['gpu'] } },
    gate: attested,
    lineage: 'ok',
    fault: null,
    clock: { now: NOW, trusted: true },
    minting: { enabled: false, sessionKeySpki: spki(session) },
    artifact: artifact(),
    trustRoots: defaultTrust,
    hostLabels: null,
    policy: defaultPolicy,
    revocations: RevocationSet.empty,
    uses: new UseTable(),
    parent: null,
    ...fields,
  }
}

export function observed(): ObservedSubject[] {
  return [
    { path: PROGRAM, sha256: PROGRAM_DIGEST, size: 7 },
    { path: MODEL, sha256: MODEL_DIGEST, size: 5 },
  ]
}

export const decide = (fields: Partial<TestInput> = {}, seen = observed()): Decision =>
  decideAfterOpen(input(fields), seen)
export const codes = (decision: Decision) => decision.reasons.map(({ code }) => code)
export const digestOf = (bytes: Buffer) => sha256Hex(bytes)
export const payloadDigest = (artifact: Buffer) => sha256Hex(parseEnvelope(artifact).payload)

export function revoked(...revoke: RevocationTarget[]): RevocationSet {
  const envelope = signRevocation({ version: 1, epoch: 1, revoke }, governance)
  return RevocationSet.empty.with(openRevocation(envelope, [governance.public]))
}

export function usedBefore(artifact: Buffer, id = 'job-1'): UseTable {
  const { uses } = input()
  uses.apply({ payload: payloadDigest(artifact), issuer: 'release', id }, '2027-01-01T00:00:00.000Z')
  return uses
}

export function changed(envelope: Buffer, change: (it: Record<string, unknown>) => void): Buffer {
  const it = JSON.parse(envelope.toString())
  change(it)
  return Buffer.from(JSON.stringify(it))
}
