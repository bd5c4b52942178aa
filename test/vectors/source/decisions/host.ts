import type { Given } from '../../form.ts'
import { asked, type Group, gate } from '../case.ts'
import { artifact, defaults, NOW, OTHER_DIGEST } from '../world.ts'

type Environment = Parameters<Parameters<typeof artifact>[0] & object>[0]['environment']
const asking = (fields: Partial<Environment>) => ({
  artifact: artifact(it => Object.assign(it.environment, fields)),
})
const STALE = ['integrity', 'ATTESTATION_STALE'] as const
const OTHER = ['integrity', 'ENVIRONMENT_MISMATCH'] as const
const enforcing = (fields: Partial<Given['host']['enforces']>) => ({
  host: { ...defaults.host, enforces: { ...defaults.host.enforces, ...fields } },
})
const own = (pids: 'own' | 'any') =>
  artifact(it => {
    it.scope.user = pids === 'own' ? 'own' : { uid: 1000, gid: 1000, groups: [] }
  })

export const ENVIRONMENT: Group = {
  file: 'environment',
  description:
    'The lineage, the trust gate, and what the artifact asks of the host. Nothing is known of a host without evidence.',
  cases: [
    ['broken lineage', 'it does not hold together', { lineage: 'broken' }, ['integrity', 'LINEAGE_BROKEN']],
    [
      'lineage unavailable',
      'it cannot be written',
      { lineage: 'unavailable' },
      ['integrity', 'LINEAGE_UNAVAILABLE'],
    ],
    [
      'unattested',
      'no evidence so far',
      gate({
        state: 'UNATTESTED',
        evidenceAgeMs: null,
        deadlineInMs: null,
        referenceValuesDigest: null,
        resetCount: null,
        tier: 'unknown',
      }),
      STALE,
    ],
    ['stale', 'the evidence is too old', gate({ state: 'STALE', deadlineInMs: null }), STALE],
    [
      'failed',
      'the appraisal failed',
      gate({ state: 'FAILED', deadlineInMs: null }),
      ['integrity', 'ATTESTATION_FAILED'],
    ],
    ['no time left', 'attested, and the deadline is now', gate({ deadlineInMs: 0 }), STALE],
    ['a millisecond left', 'attested', gate({ deadlineInMs: 1 }), 'permit'],
    ['no deadline', 'attested without a deadline is not attested', gate({ deadlineInMs: null }), STALE],
    ['evidence as old as it may be', '30 s of 30 s', gate({ evidenceAgeMs: 30_000 }), 'permit'],
    ['evidence too old for the artifact', 'a millisecond more', gate({ evidenceAgeMs: 30_001 }), STALE],
    [
      'any age',
      'as old as the host allows',
      { ...asking({ maxEvidenceAge: 'any' }), ...gate({ evidenceAgeMs: 86_400_000 }) },
      'permit',
    ],
    [
      'other reference values',
      'the host is judged by others',
      gate({ referenceValuesDigest: OTHER_DIGEST }),
      OTHER,
    ],
    [
      'any reference values',
      'whichever are in force',
      { ...asking({ referenceValues: 'any' }), ...gate({ referenceValuesDigest: OTHER_DIGEST }) },
      'permit',
    ],
    ['simulated TPM refused', 'a software TPM', asking({ simulated: 'deny' }), OTHER],
    [
      'unknown TPM refused',
      'a TPM that is not known to be hardware',
      { ...asking({ simulated: 'deny' }), ...gate({ tier: 'unknown' }) },
      OTHER,
    ],
    [
      'hardware TPM',
      'nothing else is wanted',
      { ...asking({ simulated: 'deny' }), ...gate({ tier: 'hardware' }) },
      'permit',
    ],
    ['this boot', 'the reset count that is signed', asking({ resetCount: 41 }), 'permit'],
    [
      'the next boot',
      'the TPM was reset since',
      { ...asking({ resetCount: 41 }), ...gate({ resetCount: 42 }) },
      OTHER,
    ],
    [
      'boot not known',
      'a boot is signed, and it is not known which this is',
      { ...asking({ resetCount: 41 }), ...gate({ resetCount: null }) },
      OTHER,
    ],
    [
      'boot 0',
      'zero is a count like others',
      { ...asking({ resetCount: 0 }), ...gate({ resetCount: 0 }) },
      'permit',
    ],
    [
      'closed, and another host than is asked for',
      'evidence that no longer counts still says what the host was',
      {
        ...asking({ resetCount: 40, simulated: 'deny' }),
        ...gate({ state: 'STALE', deadlineInMs: null, referenceValuesDigest: OTHER_DIGEST }),
      },
      [
        'integrity',
        'ATTESTATION_STALE',
        'ENVIRONMENT_MISMATCH',
        'ENVIRONMENT_MISMATCH',
        'ENVIRONMENT_MISMATCH',
      ],
    ],
    [
      'closed, and nothing is known',
      'without evidence nothing can be another than what is asked for',
      {
        ...asking({ resetCount: 40, simulated: 'deny' }),
        ...gate({
          state: 'UNATTESTED',
          evidenceAgeMs: null,
          deadlineInMs: null,
          referenceValuesDigest: null,
          resetCount: null,
          tier: 'unknown',
        }),
      },
      STALE,
    ],
    [
      'memory not limited here',
      'the host cannot limit memory',
      enforcing({ controllers: ['pids', 'cpu'] }),
      OTHER,
    ],
    [
      'processors not limited here',
      'the host cannot limit processors',
      {
        ...enforcing({ controllers: ['memory', 'pids'] }),
        artifact: artifact(it => (it.scope.limits.cpuPercent = 50)),
      },
      OTHER,
    ],
    [
      'processes not limited here',
      'those of a user of its own can be counted otherwise',
      { ...enforcing({ controllers: ['memory', 'cpu'] }), artifact: own('own') },
      'permit',
    ],
    [
      'processes of a shared user',
      'those of a shared user cannot',
      { ...enforcing({ controllers: ['memory', 'cpu'] }), artifact: own('any') },
      OTHER,
    ],
    [
      'a device',
      'the host has that class',
      { artifact: artifact(it => (it.scope.devices = ['gpu'])) },
      'permit',
    ],
    [
      'a device that is not there',
      'the host has no such class',
      { artifact: artifact(it => (it.scope.devices = ['tpu'])) },
      OTHER,
    ],
    [
      'a device that is not asked for',
      'the request wants none',
      { artifact: artifact(it => (it.scope.devices = ['tpu'])), ...asked({ devices: [] }) },
      'permit',
    ],
    [
      'fault: no room',
      'something outside of the decision is in the way',
      { fault: { code: 'CAPACITY', message: 'no room' } },
      ['artifact', 'CAPACITY'],
    ],
    [
      'fault: no launcher, and expired',
      'it comes first',
      {
        fault: { code: 'INTERNAL', message: 'no launcher' },
        clock: { now: '2027-01-01T00:00:00.000Z', trusted: true },
      },
      ['artifact', 'INTERNAL', 'ARTIFACT_EXPIRED'],
    ],
  ],
}

type Bundle = NonNullable<Given['policy']>
const bundle = (fields: Partial<Bundle>) => ({ policy: { ...(defaults.policy as Bundle), ...fields } })
const answer = (answer: Bundle['answer']) => bundle({ answer })
const anyPolicy = { artifact: artifact(it => (it.policy.digest = 'any')) }

export const POLICY: Group = {
  file: 'policy',
  description:
    'The policy in force: whether it is the one that is signed, and what its answer comes to. The answer is given: nobody needs Cedar.',
  cases: [
    ['allowed', 'a permit holds', {}, 'permit'],
    [
      'another bundle',
      'another digest is signed',
      { ...bundle({ digest: OTHER_DIGEST }) },
      ['policy', 'POLICY_MISMATCH'],
    ],
    ['any bundle', 'whichever is in force', { ...anyPolicy, ...bundle({ digest: OTHER_DIGEST }) }, 'permit'],
    ['no bundle', 'nothing is in force', { policy: null }, ['policy', 'POLICY_ERROR']],
    [
      'no bundle, and any is signed',
      'any is not none',
      { ...anyPolicy, policy: null },
      ['policy', 'POLICY_ERROR'],
    ],
    [
      'forbidden',
      'a forbid holds',
      answer({ outcome: 'deny', determining: ['no-network'] }),
      ['policy', 'POLICY_DENIED'],
    ],
    [
      'not permitted',
      'no permit holds',
      answer({ outcome: 'deny', determining: [] }),
      ['policy', 'POLICY_DENIED'],
    ],
    [
      'not evaluated',
      'an evaluation failed, also that of a forbid',
      answer({ outcome: 'failed', failed: ['broken'], message: 'overflow' }),
      ['policy', 'POLICY_ERROR'],
    ],
    [
      'another bundle, and forbidden',
      'both are said',
      { ...bundle({ digest: OTHER_DIGEST, answer: { outcome: 'deny', determining: [] } }) },
      ['policy', 'POLICY_MISMATCH', 'POLICY_DENIED'],
    ],
    ['first instant of the bundle', 'it may decide', bundle({ notBefore: NOW }), 'permit'],
    [
      'bundle not yet valid',
      'what is not valid has no say',
      bundle({ notBefore: '2026-11-21T02:00:00.001Z' }),
      ['policy', 'POLICY_ERROR'],
    ],
    [
      'last instant of the bundle',
      'a millisecond is left',
      bundle({ notAfter: '2026-11-21T02:00:00.001Z' }),
      'permit',
    ],
    ['bundle expired', 'an expired bundle denies', bundle({ notAfter: NOW }), ['policy', 'POLICY_ERROR']],
    [
      'bundle expired, and another',
      'both are said',
      bundle({ notAfter: NOW, digest: OTHER_DIGEST }),
      ['policy', 'POLICY_ERROR', 'POLICY_MISMATCH'],
    ],
  ],
}
