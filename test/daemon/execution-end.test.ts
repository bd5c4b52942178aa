import { describe, expect, test } from 'vitest'
import { endMessage } from '../../daemon/execution-end.ts'
import type { LaunchEnded } from '../../daemon/launcher/client.ts'

/** Every cause that the launcher can say; the compiler sees to it that none is missing. */
const EXPECTED: Readonly<Record<Exclude<LaunchEnded['cause'], 'NONE'>, string>> = {
  EXITED: 'END_CAUSE_EXIT',
  EPOCH: 'END_CAUSE_ATTESTATION_STALE',
  LEASE: 'END_CAUSE_ATTESTATION_STALE',
  LAPSE: 'END_CAUSE_ATTESTATION_STALE',
  GRACE: 'END_CAUSE_ATTESTATION_STALE',
  EXPIRY: 'END_CAUSE_EXPIRED',
  RUN_TIME: 'END_CAUSE_LIMIT',
  CPU_TIME: 'END_CAUSE_LIMIT',
  OUTPUT_LIMIT: 'END_CAUSE_LIMIT',
  PARENT: 'END_CAUSE_PARENT_ENDED',
  LAUNCHER_STOP: 'END_CAUSE_SHUTDOWN',
  DAEMON: 'END_CAUSE_SHUTDOWN',
  LAUNCHER_LOST: 'END_CAUSE_LEASE_LAPSED',
  SUPERVISOR_LOST: 'END_CAUSE_LEASE_LAPSED',
  SUPERSEDED: 'END_CAUSE_LEASE_LAPSED',
  INIT_LOST: 'END_CAUSE_LEASE_LAPSED',
  OUT_OF_MEMORY: 'END_CAUSE_LIMIT',
  ABANDONED: 'END_CAUSE_START_FAILED',
  NOT_STARTED: 'END_CAUSE_START_FAILED',
  TERMINATED: 'END_CAUSE_TERMINATED',
  REVOKED: 'END_CAUSE_REVOKED',
  CALLER_GONE: 'END_CAUSE_CALLER_GONE',
  DENIED: 'END_CAUSE_DENIED',
  NOT_AS_PERMITTED: 'END_CAUSE_DENIED',
}
const ended = (fields: Partial<LaunchEnded>): LaunchEnded => ({
  executionId: 'ab'.repeat(16),
  cause: 'EXITED',
  exitCode: null,
  signal: null,
  rusage: { userUs: 1, systemUs: 2, maxRssKib: 3 },
  bootNs: 5_000_000n,
  confirmedDead: true,
  ...fields,
})
const say = (fields: Partial<LaunchEnded>, askedNs: bigint | null = null, gate = 'STALE' as const) =>
  endMessage(ended(fields), askedNs, gate, 't')

describe('how an execution ended', () => {
  test.each(Object.entries(EXPECTED))('%s is %s', (cause, expected) => {
    expect(say({ cause: cause as LaunchEnded['cause'] }).cause).toBe(expected)
  })

  test.each(['EPOCH', 'LEASE', 'LAPSE', 'GRACE'] as const)(
    '%s of a failed host says that it failed',
    cause => {
      expect(endMessage(ended({ cause }), null, 'FAILED', 't').cause).toBe('END_CAUSE_ATTESTATION_FAILED')
    },
  )

  test('has the exit code or the signal, never an invented one', () => {
    expect(say({ exitCode: 0 })).toMatchObject({ exitCode: 0, memoryPeakBytes: 3072, userUs: 1, systemUs: 2 })
    expect(say({ exitCode: 0 })).not.toHaveProperty('signal')
    expect(say({ signal: 9 })).toMatchObject({ signal: 9 })
    expect(say({ signal: 9 })).not.toHaveProperty('exitCode')
  })

  test('tells how long the kill took, if one was ordered before the end', () => {
    expect(say({}, 2_000_000n).killMs).toBe(3)
    expect(say({}, 6_000_000n)).not.toHaveProperty('killMs')
    expect(say({})).not.toHaveProperty('killMs')
  })
})
