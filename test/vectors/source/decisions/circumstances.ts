import type { Case, Group } from '../case.ts'
import { asked, at, caller, gate } from '../case.ts'
import {
  alice,
  artifact,
  type defaults,
  HOST,
  NOW,
  OTHER_DIGEST,
  OTHER_HOST,
  PARENT,
  session,
  spki,
} from '../world.ts'

const labels = (fields: Partial<NonNullable<(typeof defaults)['hostLabels']>> = {}) => ({
  hostLabels: { version: 1, host: HOST, labels: ['prod', 'region:eu'], notAfter: 'any' as const, ...fields },
})
const wanting = (labels: 'any' | string[]) => ({ artifact: artifact(it => (it.audience.labels = labels)) })
const LABEL = ['artifact', 'AUDIENCE_MISMATCH'] as const
const INITIATOR = ['artifact', 'INITIATOR_MISMATCH'] as const

export const VALIDITY: Group = {
  file: 'validity',
  description: 'Validity and the clock: it begins at notBefore and has ended at notAfter.',
  cases: [
    ['first instant', 'at notBefore it is valid', at('2026-11-20T00:00:00.000Z'), 'permit'],
    [
      'a millisecond before',
      'not yet',
      at('2026-11-19T23:59:59.999Z'),
      ['artifact', 'ARTIFACT_NOT_YET_VALID'],
    ],
    ['last instant', 'a millisecond before notAfter', at('2026-11-21T23:59:59.999Z'), 'permit'],
    [
      'at the end',
      'at notAfter it has ended',
      at('2026-11-22T00:00:00.000Z'),
      ['artifact', 'ARTIFACT_EXPIRED'],
    ],
    ['long after', 'years later', at('2036-11-22T00:00:00.000Z'), ['artifact', 'ARTIFACT_EXPIRED']],
    [
      'clock not trusted',
      'valid by a clock that nobody relies on',
      { clock: { now: NOW, trusted: false } },
      ['artifact', 'CLOCK_UNTRUSTED'],
    ],
    [
      'clock not trusted, and expired',
      'both are said, the clock first',
      { clock: { now: '2027-01-01T00:00:00.000Z', trusted: false } },
      ['artifact', 'CLOCK_UNTRUSTED', 'ARTIFACT_EXPIRED'],
    ],
  ],
}

export const AUDIENCE: Group = {
  file: 'audience',
  description: 'Audience: the host is listed, and it carries one of the labels. Both have to fit.',
  cases: [
    ['this host', 'listed by its id', {}, 'permit'],
    [
      'one of several',
      'listed among others',
      { artifact: artifact(it => (it.audience.hosts = [OTHER_HOST, HOST])) },
      'permit',
    ],
    ['another host', 'another id', { artifact: artifact(it => (it.audience.hosts = [OTHER_HOST])) }, LABEL],
    ['any host', 'any', { artifact: artifact(it => (it.audience.hosts = 'any')) }, 'permit'],
    ['a label that it has', 'one of its labels', { ...wanting(['prod']), ...labels() }, 'permit'],
    ['one of several labels', 'one is enough', { ...wanting(['test', 'region:eu']), ...labels() }, 'permit'],
    ['a label that it has not', 'none of its labels', { ...wanting(['test']), ...labels() }, LABEL],
    [
      'the beginning of a label',
      'labels are compared as a whole',
      { ...wanting(['region']), ...labels() },
      LABEL,
    ],
    ['a label in capitals', 'labels are told apart by case', { ...wanting(['PROD']), ...labels() }, LABEL],
    ['no labels', 'nobody said what the host is called', wanting(['prod']), LABEL],
    [
      'an empty list of labels',
      'the host is called nothing',
      { ...wanting(['prod']), ...labels({ labels: [] }) },
      LABEL,
    ],
    [
      'labels that have ended',
      'expired labels are no labels',
      { ...wanting(['prod']), ...labels({ notAfter: NOW }) },
      LABEL,
    ],
    [
      'labels that end soon',
      'a millisecond is left',
      { ...wanting(['prod']), ...labels({ notAfter: '2026-11-21T02:00:00.001Z' }) },
      'permit',
    ],
    [
      'the host, not the label',
      'both have to fit',
      { artifact: artifact(it => (it.audience.labels = ['test'])), ...labels() },
      LABEL,
    ],
    [
      'neither',
      'both are said, the host first',
      { artifact: artifact(it => (it.audience = { hosts: [OTHER_HOST], labels: ['test'] })), ...labels() },
      ['artifact', 'AUDIENCE_MISMATCH', 'AUDIENCE_MISMATCH'],
    ],
  ],
}

type Initiator = Parameters<Parameters<typeof artifact>[0] & object>[0]['initiator']
const forWhom = (fields: Partial<Initiator>) => ({
  artifact: artifact(it => {
    it.initiator = { uids: 'any', gids: 'any', units: 'any', cgroups: 'any', programs: 'any', ...fields }
  }),
})
const program = '1'.repeat(64)

const initiator: Case[] = [
  ['anybody', 'nothing is limited', forWhom({}), 'permit'],
  [
    'nobody known',
    'the kernel does not say who asks',
    { ...forWhom({}), caller: null },
    ['artifact', 'CALLER_UNKNOWN'],
  ],
  [
    'nobody known, and limited',
    'who is not known is not compared',
    { caller: null },
    ['artifact', 'CALLER_UNKNOWN'],
  ],
  ['uid', 'listed', forWhom({ uids: [1, 1000] }), 'permit'],
  ['another uid', 'not listed', forWhom({ uids: [1001] }), INITIATOR],
  [
    'root is no exception',
    'uid 0 is a uid like others',
    { ...forWhom({ uids: [1000] }), ...caller({ uid: 0 }) },
    INITIATOR,
  ],
  ['gid', 'listed', forWhom({ gids: [1000] }), 'permit'],
  ['another gid', 'not listed', forWhom({ gids: [1] }), INITIATOR],
  [
    'unit',
    'listed',
    { ...forWhom({ units: ['job.service'] }), ...caller({ unit: 'job.service' }) },
    'permit',
  ],
  [
    'another unit',
    'not listed',
    { ...forWhom({ units: ['job.service'] }), ...caller({ unit: 'other.service' }) },
    INITIATOR,
  ],
  ['no unit', 'the caller is in none', forWhom({ units: ['job.service'] }), INITIATOR],
  ['cgroup', 'it is in it', forWhom({ cgroups: ['/user.slice/user-1000.slice'] }), 'permit'],
  ['above its cgroup', 'it is below it', forWhom({ cgroups: ['/user.slice'] }), 'permit'],
  ['the root cgroup', 'all are below it', forWhom({ cgroups: ['/'] }), 'permit'],
  [
    'beside its cgroup',
    'the beginning of a name is not the name',
    forWhom({ cgroups: ['/user.slice/user-1000'] }),
    INITIATOR,
  ],
  [
    'below its cgroup',
    'it is above it',
    forWhom({ cgroups: ['/user.slice/user-1000.slice/session-1.scope'] }),
    INITIATOR,
  ],
  [
    'cgroup not known',
    'the kernel does not say which',
    { ...forWhom({ cgroups: ['/'] }), ...caller({ cgroup: '' }) },
    INITIATOR,
  ],
  [
    'program',
    'listed, beside another limit',
    { ...forWhom({ uids: [1000], programs: [program] }), ...caller({ program }) },
    'permit',
  ],
  [
    'another program',
    'not listed',
    { ...forWhom({ uids: [1000], programs: [program] }), ...caller({ program: OTHER_DIGEST }) },
    INITIATOR,
  ],
  ['program not known', 'it could not be hashed', forWhom({ uids: [1000], programs: [program] }), INITIATOR],
  [
    'program alone',
    'it is advisory, and cannot be the only limit',
    { ...forWhom({ programs: [program] }), ...caller({ program }) },
    ['artifact', 'ARTIFACT_MALFORMED'],
  ],
  [
    'nothing fits',
    'each is said, in the order of the fields',
    forWhom({
      uids: [1],
      gids: [1],
      units: ['job.service'],
      cgroups: ['/system.slice'],
      programs: [program],
    }),
    [
      'artifact',
      'INITIATOR_MISMATCH',
      'INITIATOR_MISMATCH',
      'INITIATOR_MISMATCH',
      'INITIATOR_MISMATCH',
      'INITIATOR_MISMATCH',
    ],
  ],
]

export const INITIATORS: Group = {
  file: 'initiator',
  description:
    'Who asks, as the kernel says: user, group, unit, cgroup, and, to take away only, the program.',
  cases: initiator,
}

const child = caller({ parentExecution: PARENT })
const of = (execution: string) => ({ artifact: artifact(it => (it.parent.execution = execution)) })
/** The terms of a parent that may have children and has more of everything than the artifact. */
export const parent = (fields: Partial<NonNullable<(typeof defaults)['parent']>> = {}) => ({
  parent: {
    executionId: PARENT,
    live: true,
    childrenStarted: 0,
    childrenRunning: 0,
    childrenLastMinute: 0,
    ancestors: [],
    terms: {
      program: { path: '/opt/app/agent', sha256: OTHER_DIGEST },
      files: [],
      argv: ['agent'],
      env: [],
      cwd: '/',
      user: 'own' as const,
      stdio: { stdin: 'pipe' as const, stdout: 'pipe' as const, stderr: 'pipe' as const },
      sandbox: { network: 'none' as const, seccomp: 'default' as const, writable: ['/var/tmp'] },
      limits: {
        runTimeMs: 600_000,
        memoryBytes: 1_073_741_824,
        pids: 64,
        cpuSeconds: null,
        cpuPercent: null,
        openFiles: 1024,
        outputBytes: null,
        fileBytes: null,
      },
      devices: [],
      detach: false,
      children: { max: 8, atOnce: 4, perMinute: 'any' as const, depth: 2, programs: 'any' as const },
      onLapse: 'kill' as const,
      maxEvidenceAgeMs: 60_000,
      notAfter: '2026-11-22T00:00:00.000Z',
    },
    ...fields,
  },
})
export const asChild = { ...of('any'), ...child }

export const PARENTS: Group = {
  file: 'parent',
  description: 'The parent that an artifact is for, and the parent that a request comes from.',
  cases: [
    ['no parent', 'for no child, from no child', {}, 'permit'],
    ['a child where none is signed', 'not for children', { ...child, ...parent() }, INITIATOR],
    ['any', 'a child under an artifact for any', { ...asChild, ...parent() }, 'permit'],
    ['any, and no child', 'any covers no parent as well', of('any'), 'permit'],
    ['this parent', 'named', { ...of(PARENT), ...child, ...parent() }, 'permit'],
    ['another parent', 'another is named', { ...of('0'.repeat(32)), ...child, ...parent() }, INITIATOR],
    ['a parent named, and no child', 'only for children of that one', of(PARENT), INITIATOR],
    [
      'ended',
      'the parent has ended',
      { ...asChild, ...parent({ live: false }) },
      ['artifact', 'PARENT_ENDED'],
    ],
    ['unknown', 'no such execution is known', asChild, ['artifact', 'PARENT_ENDED']],
    [
      'another is at hand',
      'what is known of another execution does not count',
      { ...asChild, ...parent({ executionId: '0'.repeat(32) }) },
      ['artifact', 'PARENT_ENDED'],
    ],
    [
      'unknown, and another is named',
      'both are said',
      { ...of('0'.repeat(32)), ...child },
      ['artifact', 'INITIATOR_MISMATCH', 'PARENT_ENDED'],
    ],
  ],
}

const mint = (
  change: (it: Parameters<Parameters<typeof artifact>[0] & object>[0]) => void = () => {},
  keys = [session],
) =>
  artifact(it => {
    it.issuer = `host:${HOST}`
    it.validity.notAfter = '2026-11-21T02:00:20.000Z'
    change(it)
  }, keys)
const minting = { minting: { enabled: true, sessionKeySpki: spki(session) } }

export const MINTED: Group = {
  file: 'minted',
  description:
    'Artifacts that the daemon made itself, signed by its session key: for one use, for this host, never longer than the evidence counts.',
  cases: [
    ['minted', 'right', { ...minting, artifact: mint() }, 'permit'],
    ['minting is off', 'nothing minted is taken', { artifact: mint() }, ['artifact', 'SIGNER_UNTRUSTED']],
    [
      'another session',
      'by a session key of before',
      { ...minting, artifact: mint(undefined, [alice]) },
      ['artifact', 'SIGNER_UNTRUSTED'],
    ],
    [
      'for an authority',
      'the session key signs for this host alone',
      { ...minting, artifact: artifact(undefined, [session]) },
      ['artifact', 'SIGNER_UNTRUSTED'],
    ],
    [
      'another host',
      "another host's name",
      { ...minting, artifact: mint(it => (it.issuer = `host:${OTHER_HOST}`)) },
      ['artifact', 'SIGNER_UNTRUSTED'],
    ],
    [
      'two uses',
      'for more than one use',
      { ...minting, artifact: mint(it => (it.validity.maxUses = 2)) },
      ['artifact', 'ARTIFACT_MALFORMED'],
    ],
    [
      'any host',
      'for more than this host',
      { ...minting, artifact: mint(it => (it.audience.hosts = 'any')) },
      ['artifact', 'AUDIENCE_MISMATCH'],
    ],
    [
      'until the evidence ends',
      'exactly as long',
      { ...minting, artifact: mint(it => (it.validity.notAfter = '2026-11-21T02:00:26.000Z')) },
      'permit',
    ],
    [
      'longer than the evidence',
      'a millisecond more',
      { ...minting, artifact: mint(it => (it.validity.notAfter = '2026-11-21T02:00:26.001Z')) },
      ['artifact', 'ATTESTATION_STALE'],
    ],
    [
      'evidence gone',
      'the gate has closed meanwhile',
      { ...minting, artifact: mint(), ...gate({ state: 'STALE', deadlineInMs: null, evidenceAgeMs: null }) },
      ['integrity', 'ATTESTATION_STALE'],
    ],
    [
      'asked for where minting is off',
      'no artifact, and none is made',
      { ...asked({ operation: 'authorize' }), artifact: null },
      ['artifact', 'ARTIFACT_MISSING'],
    ],
    [
      'executed without an artifact',
      'only a question makes one',
      { ...minting, artifact: null },
      ['artifact', 'ARTIFACT_MISSING'],
    ],
    [
      'asked for',
      'no artifact, and one may be made',
      { ...minting, ...asked({ operation: 'authorize' }), artifact: null },
      'permit',
    ],
  ],
}
