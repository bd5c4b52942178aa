import { TPM_CC } from '../../attestation/tpm2/index.ts'
import { REASON_CODES } from '../../authorization/index.ts'
import type { LineageEvent } from '../../lineage/index.ts'
import type { LifeState } from '../execution-registry.ts'
import { CAUSES, KILL_ORDERS } from '../launcher/wire.ts'
import { Counter, exposition, type Family, Gauge, Histogram, KeptCounter } from './families.ts'

/** What a TPM command or the way to the TPM can end with (attestation/tpm2/error.ts), the response codes that operators meet among them. */
export const TPM_ERROR_CODES = [
  'TPM_UNAVAILABLE',
  'TPM_TIMEOUT',
  'TPM_CLOSED',
  'TPM_MALFORMED',
  'RC_AUTH_FAIL',
  'RC_LOCKOUT',
  'RC_FAILURE',
  'RC_INITIALIZE',
  'RC_MEMORY',
  'RC_NV',
  'RC_RETRY',
] as const

const GATE_STATES = ['UNATTESTED', 'ATTESTED', 'STALE', 'FAILED'] as const
/** All of {@link LifeState} but that of executions that have ended. */
const LIFE_STATES = ['PREPARING', 'RUNNING', 'FROZEN', 'KEPT', 'ENDING'] as const satisfies readonly Exclude<
  LifeState,
  'ENDED'
>[]
/** How a command is called in docs and TPM 2.0 Part 3. */
export const TPM_COMMANDS = Object.keys(TPM_CC)

/**
 * Every metric of the daemon. What happens is counted here as it happens; what merely is (gauges) is looked up when somebody asks
 * (daemon/metrics/collect.ts). docs/operations/monitoring.md explains them.
 */
export class Instruments {
  readonly gateState = new Gauge('writ_gate_state', 'Whether the trust gate is in this state: 1 or 0.', {
    state: GATE_STATES,
  })
  readonly gateSince = new Gauge(
    'writ_gate_state_since_timestamp_seconds',
    'When the gate came into its state.',
  )
  readonly gateTransitions = new Counter('writ_gate_transitions_total', 'Moves of the gate, by where to.', {
    to: GATE_STATES,
  })
  readonly evidenceAge = new Gauge(
    'writ_evidence_age_seconds',
    'Age of the evidence that the lease stands on; absent while there is none.',
  )
  readonly lease = new Gauge('writ_lease_remaining_seconds', 'Until the evidence no longer counts.')
  readonly leaseLeft = new Gauge(
    'writ_lease_left_at_renewal_seconds',
    'What was left of the lease when it was renewed last, 0 where it had run out; absent before the first renewal.',
  )
  readonly appraisals = new Counter('writ_appraisals_total', 'Appraisals, by verdict.', {
    verdict: ['pass', 'degraded', 'fail'],
  })
  readonly cycles = new Counter('writ_attestation_cycles_total', 'Evidence cycles, by what came of them.', {
    outcome: ['appraised', 'no_evidence'],
  })
  readonly cycle = new Histogram('writ_attestation_cycle_seconds', 'An evidence cycle, from quote to lease.')
  readonly clockTrusted = new Gauge('writ_clock_trusted', 'Whether the wall clock is relied on: 1 or 0.')
  readonly documentEnd = new Gauge(
    'writ_document_not_after_timestamp_seconds',
    'When a document in force ends by itself; absent where it does not.',
    { document: ['policy', 'trust_roots', 'host_labels'] },
  )

  readonly decisions = new Counter('writ_decisions_total', 'Decisions on requests, by outcome.', {
    outcome: ['permit', 'deny'],
  })
  readonly denialReasons = new Counter(
    'writ_denial_reasons_total',
    'Reasons of denials; a denial counts once for each of its reasons.',
    { reason: REASON_CODES },
  )
  readonly denialsCounted = new Counter(
    'writ_denials_without_entry_total',
    'Denials beyond the rate of one uid, which share an entry; in writ_decisions_total, too.',
  )
  readonly unrecorded = new Counter(
    'writ_decisions_unrecorded_total',
    'Requests that were denied because the lineage could not take the decision; counted at once, in the others once it can.',
  )
  readonly decision = new Histogram(
    'writ_decision_seconds',
    'From a request to its decision, durable in the lineage.',
    { operation: ['authorize', 'execute'] },
  )
  readonly renewals = new Counter('writ_renewals_total', 'Decisions anew on what runs, by outcome.', {
    outcome: ['permit', 'deny'],
  })

  readonly executions = new Gauge('writ_executions', 'Executions that have not ended, by state.', {
    state: LIFE_STATES,
  })
  readonly ending = new Gauge(
    'writ_execution_ending_seconds',
    'For how long the one that is being ended for longest has been; absent while none is.',
  )
  readonly maxExecutions = new Gauge('writ_executions_max', 'How many there may be (max_executions).')
  readonly starts = new Counter('writ_execution_starts_total', 'Executions that were let run.')
  readonly adoptions = new Counter(
    'writ_execution_adoptions_total',
    'Executions that went on over a restart of the daemon.',
  )
  readonly ends = new Counter('writ_execution_ends_total', 'Ends of executions, by cause.', {
    cause: [...CAUSES, ...Object.keys(KILL_ORDERS), 'LAUNCHER_LOST', 'other'],
  })
  readonly kills = new Counter(
    'writ_execution_kills_total',
    'Kills that were ordered; each should be followed by an end.',
  )
  readonly start = new Histogram('writ_execution_start_seconds', 'From a request to its first instruction.')

  readonly tpmCommand = new Histogram('writ_tpm_command_seconds', 'A TPM command, from sending to answer.', {
    command: TPM_COMMANDS,
  })
  readonly tpmErrors = new Counter('writ_tpm_errors_total', 'TPM commands that failed, by code.', {
    code: [...TPM_ERROR_CODES, 'other'],
  })
  readonly tpmLockout = new Gauge(
    'writ_tpm_lockout',
    'Whether the TPM is in dictionary attack lockout, asked each minute: 1 or 0; absent where it does not say.',
  )
  readonly tpmWaiting = new Gauge('writ_tpm_queue_length', 'Jobs that wait for the TPM.')
  readonly counterSteps = new Counter(
    'writ_tpm_counter_steps_total',
    "Steps of the TPM's counter that the log tells of; NV memory wears out at about 500,000.",
  )
  readonly counterValue = new Gauge(
    'writ_tpm_counter_value',
    "The TPM's counter, as this run of the daemon last moved it; absent before.",
  )

  readonly entries = new Gauge('writ_lineage_entries', 'Entries of the lineage.')
  readonly unsealed = new Gauge(
    'writ_lineage_unsealed_entries',
    'Entries that the newest checkpoint does not cover.',
  )
  readonly checkpointTime = new Gauge(
    'writ_lineage_checkpoint_timestamp_seconds',
    'When this run of the daemon last signed a checkpoint; absent before.',
  )
  readonly append = new Histogram('writ_lineage_append_seconds', 'An entry, until it is durable.')
  readonly sync = new Histogram('writ_lineage_fsync_seconds', 'One fsync or fdatasync of the lineage.')
  readonly syncErrors = new Counter('writ_lineage_io_errors_total', 'Failed writes and syncs of the lineage.')
  readonly evidenceBytes = new Gauge(
    'writ_evidence_bytes',
    'Bytes of the evidence store; absent until counted.',
  )
  readonly evidenceMax = new Gauge('writ_evidence_max_bytes', 'Its bound (lineage.evidence_max_bytes).')
  readonly evidenceOver = new Gauge(
    'writ_evidence_over_bound',
    'Whether it is beyond its bound, and all of it has to be kept: 1 or 0.',
  )
  readonly diskFree = new Gauge('writ_state_free_bytes', 'Free bytes where the state directory is.')
  readonly diskSize = new Gauge('writ_state_size_bytes', 'Bytes of the file system of the state directory.')
  readonly inodesFree = new Gauge('writ_state_free_inodes', 'Free inodes where the state directory is.')

  readonly connections = new Gauge('writ_rpc_connections', 'Connections to the API.')
  readonly calls = new Gauge('writ_rpc_calls', 'Calls of the API that are under way.')
  readonly refused = new Counter('writ_rpc_quota_refusals_total', 'Calls turned away by the quota of a uid.')

  readonly loopLag = new Histogram(
    'writ_event_loop_lag_seconds',
    'By how much a timer is late, once a second: what everybody waits for.',
  )
  readonly resident = new Gauge('process_resident_memory_bytes', 'Resident memory.')
  readonly heap = new Gauge('writ_heap_used_bytes', 'JavaScript heap that is in use.')
  readonly cpu = new KeptCounter('process_cpu_seconds_total', 'User and system time.')
  readonly descriptors = new Gauge('process_open_fds', 'Open descriptors.')
  readonly startTime = new Gauge('process_start_time_seconds', 'When the process started.')
  readonly build: Gauge

  /** @param version of the daemon */
  constructor(version: string) {
    const labels = { version: [version], node: [process.versions.node] }
    this.build = new Gauge('writ_build_info', 'Always 1; the labels say what runs.', labels)
    this.build.set(1, [version, process.versions.node])
  }

  get families(): readonly Family[] {
    return Object.values(this) as Family[]
  }

  page(): string {
    return exposition(this.families)
  }

  /** Counts what is told of in the lineage, once it is durable there. */
  recorded(event: LineageEvent): void {
    switch (event.type) {
      case 'decision':
        this.decisions.add([event.outcome])
        if (event.outcome === 'deny') this.#reasons(event.reasons.map(({ code }) => [code, 1] as const))
        break
      case 'denials-counted':
        this.decisions.add(['deny'], event.count)
        this.denialsCounted.add([], event.count)
        this.#reasons(Object.entries(event.reasonCounts))
        break
      case 'renewal':
        this.renewals.add([event.outcome])
        break
      case 'appraisal':
        this.appraisals.add([event.verdict])
        break
      case 'trust-transition':
        this.gateTransitions.add([event.to])
        break
      case 'execution-start':
        this.starts.add()
        break
      case 'adoption':
        this.adoptions.add()
        break
      case 'kill-sent':
        this.kills.add()
        break
      case 'execution-end':
        this.ends.add([event.cause])
        break
      case 'checkpoint':
        this.checkpointTime.set(Date.now() / 1000)
        break
      case 'counter':
        this.counterSteps.add()
        this.counterValue.set(Number(event.value))
        break
    }
  }

  #reasons(counts: readonly (readonly [string, number])[]): void {
    for (const [code, count] of counts) this.denialReasons.add([code], count)
  }
}
