import {
  ARTIFACT_PAYLOAD_TYPE,
  type Authorization,
  PREDICATE_TYPE,
  STATEMENT_TYPE,
  type Statement,
} from '../../../authorization/index.ts'
import { sha256Hex } from '../../../encoding/digest.ts'
import { canonicalJsonBytes } from '../../../encoding/json.ts'
import type { PrivateKey } from '../../../signing/key.ts'
import { asBytes, type Bytes, type Given } from '../form.ts'
import { type Enveloped, ed25519Key, enveloped, p256Key } from './keys.ts'

/** A small world in which one artifact is permitted. Each vector changes what it is about. */

export const [alice, carol, mallory, session] = ['alice', 'carol', 'mallory', 'session'].map(ed25519Key) as [
  PrivateKey,
  PrivateKey,
  PrivateKey,
  PrivateKey,
]
export const [bob, dave] = ['bob', 'dave'].map(p256Key) as [PrivateKey, PrivateKey]
export const spki = (key: PrivateKey): string => key.public.spki.toString('base64')

const digestOf = (name: string): string => sha256Hex(Buffer.from(`writ test vectors: ${name}`))
export const HOST = `000b${digestOf('host')}`
export const OTHER_HOST = `000b${digestOf('other host')}`
export const NOW = '2026-11-21T02:00:00.000Z'
export const PROGRAM = '/opt/app/infer'
export const MODEL = '/opt/app/weights'
export const PROGRAM_DIGEST = digestOf('program')
export const MODEL_DIGEST = digestOf('model')
export const REFERENCE = digestOf('reference values')
export const OTHER_DIGEST = digestOf('something else')
export const POLICY = digestOf('policy')
export const EXECUTION = '0123456789abcdef0123456789abcdef'
export const PARENT = 'fedcba9876543210fedcba9876543210'

/** A statement that is permitted in the world of `defaults.json`. */
export function statement(): Statement {
  return {
    _type: STATEMENT_TYPE,
    subject: [
      { name: 'infer', digest: { sha256: PROGRAM_DIGEST } },
      { name: 'weights', digest: { sha256: MODEL_DIGEST } },
    ],
    predicateType: PREDICATE_TYPE,
    predicate: predicate(),
  }
}

function predicate(): Authorization {
  return {
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
        memoryBytes: 268_435_456,
        pids: 16,
        cpuSeconds: 'any',
        cpuPercent: 'any',
        openFiles: 64,
        outputBytes: 1_048_576,
        fileBytes: 'any',
      },
      devices: [],
      children: 'none',
    },
    environment: { referenceValues: REFERENCE, maxEvidenceAge: 30, simulated: 'allow', resetCount: 'any' },
    policy: { digest: POLICY },
    parent: { execution: 'none' },
    onLapse: 'kill',
  }
}

/** Changes a statement and gives its canonical bytes. What is changed need not be right afterwards. */
export function payload(change: (it: Authorization, statement: Statement) => void = () => {}): Buffer {
  const made = statement()
  change(made.predicate, made)
  return canonicalJsonBytes(made)
}

export const text = (envelope: Enveloped): string => `${JSON.stringify(envelope)}\n`

/** The text of an artifact for a changed statement. */
export function artifact(
  change?: (it: Authorization, statement: Statement) => void,
  keys: readonly PrivateKey[] = [alice],
): Bytes {
  return asBytes(Buffer.from(text(enveloped(ARTIFACT_PAYLOAD_TYPE, payload(change), keys))))
}

/** An artifact whose envelope is changed after it was signed. */
export function tampered(
  change: (it: Enveloped) => unknown,
  statementChange?: (it: Authorization, statement: Statement) => void,
  keys: readonly PrivateKey[] = [alice],
): Bytes {
  const made = enveloped(ARTIFACT_PAYLOAD_TYPE, payload(statementChange), keys)
  change(made)
  return text(made)
}

export const request: Given['request'] = {
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
}

type TrustRoots = NonNullable<Given['trustRoots']>
type Authority = TrustRoots['authorities'][number]
type Key = Authority['keys'][number]

/** A key of an authority: of an approver, without a window, unless it is said otherwise. */
export const keyOf = (key: PrivateKey, holder: string, terms: Partial<Key> = {}): Key => ({
  key: spki(key),
  holder,
  role: 'approver',
  notBefore: 'any',
  notAfter: 'any',
  ...terms,
})

export const authority = (
  name: string,
  threshold: number,
  keys: Key[],
  requester: Authority['requester'] = 'none',
): Authority => ({ name, threshold, requester, keys })

export const roots = (authorities: Authority[], notAfter: TrustRoots['notAfter'] = 'any'): TrustRoots => ({
  version: 1,
  notAfter,
  authorities,
})

export const defaults: Given = {
  artifact: artifact(),
  trustRoots: roots([
    authority('release', 1, [keyOf(alice, 'alice')]),
    authority('board', 2, [keyOf(alice, 'alice'), keyOf(bob, 'bob'), keyOf(carol, 'carol')]),
  ]),
  hostLabels: null,
  request,
  caller: {
    uid: 1000,
    gid: 1000,
    pid: 4242,
    cgroup: '/user.slice/user-1000.slice',
    unit: null,
    program: null,
    parentExecution: null,
  },
  host: { id: HOST, enforces: { controllers: ['memory', 'pids', 'cpu'], devices: ['gpu'] } },
  gate: {
    state: 'ATTESTED',
    epoch: 3,
    evidenceAgeMs: 4_000,
    deadlineInMs: 26_000,
    referenceValuesDigest: REFERENCE,
    tier: 'simulated',
    resetCount: 41,
    claims: null,
    appraisalIndex: '17',
    reasons: [],
  },
  lineage: 'ok',
  fault: null,
  clock: { now: NOW, trusted: true },
  minting: { enabled: false, sessionKeySpki: spki(session) },
  parent: null,
  observed: [
    { path: PROGRAM, sha256: PROGRAM_DIGEST, size: 7 },
    { path: MODEL, sha256: MODEL_DIGEST, size: 5 },
  ],
  policy: {
    digest: POLICY,
    notBefore: 'any',
    notAfter: 'any',
    answer: { outcome: 'allow', determining: ['all'] },
  },
  revoked: {},
  uses: { used: 0, otherPayload: null, uncleanSince: null },
}
