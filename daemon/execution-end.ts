import type { EndCauseInput } from '../proto/generated/writ/v1/EndCause.ts'
import type { ExecutionEndInput } from '../proto/generated/writ/v1/ExecutionEnd.ts'
import type { TrustState } from './gate.ts'
import type { LaunchEnded } from './launcher/client.ts'

/** What the launcher's causes are for a caller. */
const CAUSES: Readonly<Record<string, EndCauseInput>> = {
  EXITED: 'END_CAUSE_EXIT',
  EXPIRY: 'END_CAUSE_EXPIRED',
  RUN_TIME: 'END_CAUSE_LIMIT',
  CPU_TIME: 'END_CAUSE_LIMIT',
  OUTPUT_LIMIT: 'END_CAUSE_LIMIT',
  OUT_OF_MEMORY: 'END_CAUSE_LIMIT',
  PARENT: 'END_CAUSE_PARENT_ENDED',
  LAUNCHER_STOP: 'END_CAUSE_SHUTDOWN',
  DAEMON: 'END_CAUSE_SHUTDOWN',
  LAUNCHER_LOST: 'END_CAUSE_LEASE_LAPSED',
  SUPERVISOR_LOST: 'END_CAUSE_LEASE_LAPSED',
  INIT_LOST: 'END_CAUSE_LEASE_LAPSED',
  SUPERSEDED: 'END_CAUSE_LEASE_LAPSED',
  NOT_STARTED: 'END_CAUSE_START_FAILED',
  ABANDONED: 'END_CAUSE_START_FAILED',
  TERMINATED: 'END_CAUSE_TERMINATED',
  REVOKED: 'END_CAUSE_REVOKED',
  CALLER_GONE: 'END_CAUSE_CALLER_GONE',
  DENIED: 'END_CAUSE_DENIED',
  NOT_AS_PERMITTED: 'END_CAUSE_DENIED',
}

/** Causes that mean that the gate closed; which way, the gate knows. */
const GATE_CAUSES: ReadonlySet<string> = new Set(['EPOCH', 'LEASE', 'LAPSE', 'GRACE'])

/** An end that the launcher tells nothing of. @param bootNs boot-clock instant of it, as far as it can be known */
export function untoldEnd(
  executionId: string,
  cause: 'NOT_STARTED' | 'LAUNCHER_LOST' | 'SUPERSEDED',
  bootNs: bigint,
  confirmedDead: boolean,
): LaunchEnded {
  return {
    ...{ executionId, cause, exitCode: null, signal: null, bootNs, confirmedDead },
    rusage: { userUs: 0, systemUs: 0, maxRssKib: 0 },
  }
}

/**
 * How an execution ended, for the API.
 *
 * @param askedNs boot-clock instant at which the end was ordered; null when it ended by itself
 */
export function endMessage(
  end: LaunchEnded,
  askedNs: bigint | null,
  gate: TrustState,
  time: string,
): ExecutionEndInput {
  const byGate = gate === 'FAILED' ? 'END_CAUSE_ATTESTATION_FAILED' : 'END_CAUSE_ATTESTATION_STALE'
  return {
    cause: GATE_CAUSES.has(end.cause) ? byGate : (CAUSES[end.cause] ?? 'END_CAUSE_UNSPECIFIED'),
    ...(end.exitCode === null ? {} : { exitCode: end.exitCode }),
    ...(end.signal === null ? {} : { signal: end.signal }),
    confirmedDead: end.confirmedDead,
    time,
    ...(askedNs === null || end.bootNs < askedNs ? {} : { killMs: Number(end.bootNs - askedNs) / 1e6 }),
    userUs: end.rusage.userUs,
    systemUs: end.rusage.systemUs,
    memoryPeakBytes: end.rusage.maxRssKib * 1024,
    message: '',
    executionId: end.executionId,
  }
}
