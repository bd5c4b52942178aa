import type { LaunchTerms } from '../terms.ts'
import type { PolicyQuestion } from './request.ts'

/** One request of each kind, to see at load that the bundle's schema takes what will be asked. */
export function sampleQuestions(): PolicyQuestion[] {
  const zeros = '0'.repeat(64)
  const terms: LaunchTerms = {
    program: { path: '/bin/true', sha256: zeros },
    files: [],
    argv: ['true'],
    env: [],
    cwd: '/',
    user: 'own',
    stdio: { stdin: 'null', stdout: 'null', stderr: 'null' },
    sandbox: { network: 'none', seccomp: 'default', writable: [] },
    limits: {
      runTimeMs: 1,
      memoryBytes: 1,
      pids: 1,
      cpuSeconds: 1,
      openFiles: 1,
      outputBytes: 1,
      cpuPercent: 1,
      fileBytes: 1,
    },
    devices: [],
    detach: false,
    children: 'none',
    onLapse: 'kill',
    maxEvidenceAgeMs: null,
    notAfter: '2026-01-01T00:00:00.000Z',
  }
  const caller = { uid: 0, gid: 0, pid: 1, cgroup: '/', unit: 'sample.service', program: zeros }
  const gate = {
    state: 'ATTESTED',
    epoch: 1,
    evidenceAgeMs: 0,
    deadlineInMs: 1,
    referenceValuesDigest: zeros,
    tier: 'simulated',
    resetCount: 0,
    claims: null,
    appraisalIndex: '0',
    reasons: [],
  } as const
  const artifact = {
    kind: 'none',
    issuer: '',
    id: '',
    digest: '',
    keyIds: [zeros],
    approvers: ['a'],
    requester: '',
    secrets: ['s'],
    limitedUses: true,
  } as const
  return (['execute', 'authorize'] as const).flatMap(operation =>
    [null, '0'.repeat(32)].map(parentExecution => ({
      operation,
      now: terms.notAfter,
      hostId: `000b${zeros}`,
      hostLabels: ['l'],
      parents:
        parentExecution === null
          ? []
          : [parentExecution, 'f'.repeat(32)].map(executionId => ({ executionId, program: zeros })),
      caller: { ...caller, parentExecution },
      gate: { ...gate, reasons: [] },
      artifact,
      terms,
    })),
  )
}
