import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { Instruments } from '../../daemon/metrics/instruments.ts'
import { CHECKOUT } from '../support/programs.ts'
import { type AlertCase, PROMTOOL, RULES, testRules, WHY } from './promtool.ts'

const text = readFileSync(RULES, 'utf8')
const ALERTS = [...text.matchAll(/^ {6}- alert: (\w+)$/gm)].map(([, name = '']) => name)
/** Of every scraped series, and of buckets. */
const SCRAPED = ['job', 'instance', 'le']

type Series = Readonly<Record<string, string>>
type Change = Readonly<Record<string, string | null>>

/** A host on which all is well, a sample a minute for an hour; each alert's series are put in the place of these. */
const HEALTHY: Series = {
  'up{job="writ"}': '1x60',
  'node_textfile_mtime_seconds{file="/t/writ.prom"}': '0+60x60',
  'node_textfile_mtime_seconds{file="/t/another.prom"}': '0x60',
  'writ_gate_state{state="ATTESTED"}': '1x60',
  'writ_gate_state{state="FAILED"}': '0x60',
  'writ_gate_state{state="STALE"}': '0x60',
  'writ_gate_state{state="UNATTESTED"}': '0x60',
  'writ_gate_transitions_total{to="STALE"}': '0x60',
  writ_lease_left_at_renewal_seconds: '17x60',
  'writ_attestation_cycles_total{outcome="no_evidence"}': '0x60',
  'writ_tpm_errors_total{code="TPM_TIMEOUT"}': '0x60',
  writ_tpm_lockout: '0x60',
  'writ_tpm_command_seconds_bucket{command="Quote",le="0.5"}': '0+6x60',
  'writ_tpm_command_seconds_bucket{command="Quote",le="5"}': '0+6x60',
  'writ_tpm_command_seconds_bucket{command="Quote",le="+Inf"}': '0+6x60',
  writ_tpm_counter_value: '1000x60',
  writ_tpm_counter_steps_total: '0+0.1x60',
  writ_clock_trusted: '1x60',
  'writ_decisions_total{outcome="deny"}': '0+1x60',
  writ_decisions_unrecorded_total: '0x60',
  writ_lineage_io_errors_total: '0x60',
  writ_lineage_checkpoint_timestamp_seconds: '0+60x60',
  writ_lineage_unsealed_entries: '100x60',
  'writ_lineage_fsync_seconds_bucket{le="0.01"}': '0+60x60',
  'writ_lineage_fsync_seconds_bucket{le="1"}': '0+60x60',
  'writ_lineage_fsync_seconds_bucket{le="+Inf"}': '0+60x60',
  writ_state_free_bytes: '50000000000x60',
  writ_state_size_bytes: '100000000000x60',
  writ_state_free_inodes: '1000000x60',
  writ_evidence_over_bound: '0x60',
  'writ_document_not_after_timestamp_seconds{document="policy"}': '31536000x60',
  'writ_document_not_after_timestamp_seconds{document="trust_roots"}': '31536000x60',
  'writ_executions{state="RUNNING"}': '10x60',
  // Many that end, each of them soon.
  'writ_executions{state="ENDING"}': '3x60',
  writ_execution_ending_seconds: '0.2x60',
  writ_executions_max: '200x60',
  writ_rpc_quota_refusals_total: '0x60',
  'writ_event_loop_lag_seconds_bucket{le="0.005"}': '0+60x60',
  'writ_event_loop_lag_seconds_bucket{le="1"}': '0+60x60',
  'writ_event_loop_lag_seconds_bucket{le="+Inf"}': '0+60x60',
  'process_resident_memory_bytes{job="writ"}': '120000000x60',
  'process_start_time_seconds{job="writ"}': '1x60',
}

/** What of it is otherwise where an alert is to fire; null: it is not there at all. */
const FIRING: Readonly<Record<string, Change>> = {
  WritDown: { 'up{job="writ"}': '0x60' },
  WritFailed: { 'writ_gate_state{state="FAILED"}': '1x60' },
  WritNotAttested: { 'writ_gate_state{state="STALE"}': '1x60' },
  WritGateFlaps: { 'writ_gate_transitions_total{to="STALE"}': '0+1x60' },
  WritEvidenceOld: { writ_lease_left_at_renewal_seconds: '5x60' },
  WritNoEvidence: { 'writ_attestation_cycles_total{outcome="no_evidence"}': '0+1x60' },
  WritTpmErrors: { 'writ_tpm_errors_total{code="TPM_TIMEOUT"}': '0+1x60' },
  WritTpmLockout: { writ_tpm_lockout: '1x60' },
  WritTpmSlow: { 'writ_tpm_command_seconds_bucket{command="Quote",le="0.5"}': '0x60' },
  WritTpmCounterWear: { writ_tpm_counter_value: '450000x60' },
  WritTpmCounterFast: { writ_tpm_counter_steps_total: '0+10x60' },
  WritClockUntrusted: { writ_clock_trusted: '0x60' },
  WritDenials: { 'writ_decisions_total{outcome="deny"}': '0+120x60' },
  WritLineageRefuses: { writ_decisions_unrecorded_total: '0+1x60' },
  WritLineageErrors: { writ_lineage_io_errors_total: '0+1x60' },
  WritLineageUnsealed: { writ_lineage_checkpoint_timestamp_seconds: '0x60' },
  WritSyncSlow: { 'writ_lineage_fsync_seconds_bucket{le="0.01"}': '0x60' },
  WritDiskLow: { writ_state_free_bytes: '900000000x60' },
  WritEvidenceOverBound: { writ_evidence_over_bound: '1x70' },
  WritDocumentEnds: { 'writ_document_not_after_timestamp_seconds{document="policy"}': '1000000x60' },
  WritExecutionsFull: { 'writ_executions{state="RUNNING"}': '199x60' },
  WritKillsUnconfirmed: { writ_execution_ending_seconds: '0+60x60' },
  WritQuota: { writ_rpc_quota_refusals_total: '0+120x60' },
  WritEventLoopLate: { 'writ_event_loop_lag_seconds_bucket{le="0.005"}': '0x60' },
  WritMemory: { 'process_resident_memory_bytes{job="writ"}': '2000000000x60' },
  WritRestarts: { 'process_start_time_seconds{job="writ"}': '0+60x60' },
}

/** Other ways in which some come about. */
const ALSO_FIRING: readonly (readonly [alert: string, Change])[] = [
  // Metrics that come through a file go on as they were when the daemon is gone.
  ['WritDown', { 'up{job="writ"}': null, 'node_textfile_mtime_seconds{file="/t/writ.prom"}': '0x60' }],
  ['WritDocumentEnds', { 'writ_document_not_after_timestamp_seconds{document="trust_roots"}': '60x60' }],
  // A daemon that has signed none since its start.
  ['WritLineageUnsealed', { writ_lineage_checkpoint_timestamp_seconds: null }],
]

describe('the alert rules', () => {
  test('are about metrics and labels that there are', () => {
    const families = new Map(new Instruments('1').families.map(family => [family.name, family]))
    const expressions = [...text.matchAll(/^ +expr: (.*)$/gm)].map(([, expression = '']) => expression)
    expect(expressions).toHaveLength(ALERTS.length)
    for (const expression of expressions) {
      const names = expression.matchAll(/\b((?:writ|process)_[a-z_]+)(?:\{([^}]*)\})?/g)
      for (const [, name = '', labels = ''] of names) {
        const family = families.get(name) ?? families.get(name.replace(/_(?:bucket|sum|count)$/, ''))
        expect(family, `${name} in ${expression}`).toBeDefined()
        for (const [, label = '', values = ''] of labels.matchAll(/([a-z]+)=~?"([^"]*)"/g))
          for (const one of SCRAPED.includes(label) ? [] : values.split('|'))
            expect(family?.labels[label], `${name} ${label}`).toContain(one)
      }
    }
  })

  test('are explained one by one, as are all metrics', () => {
    const page = readFileSync(join(CHECKOUT, 'docs/operations/monitoring.md'), 'utf8')
    const explained = [...page.matchAll(/^### (Writ\w+)$/gm)].map(([, name]) => name)
    expect(explained).toEqual(ALERTS)
    const documented = [...page.matchAll(/^\| `([a-z_]+)` \| (\w+) \|/gm)].map(row => row.slice(1))
    expect(documented).toEqual(new Instruments('1').families.map(({ name, type }) => [name, type]))
  })

  test('have a case each', () => {
    expect(Object.keys(FIRING).toSorted()).toEqual(ALERTS.toSorted())
  })

  test.skipIf(!PROMTOOL)(
    `fire, and only where they should (${WHY})`,
    () => {
      // The evidence store is over its bound for an hour before anybody is told.
      const longer = (values: string) => values.replace(/x60$/, 'x70')
      const one = (name: string, change: Change, alert: string | null, count: number): AlertCase => ({
        ...{ name, interval: '1m', alert, firing: [{ at: '61m', count }] },
        series: Object.fromEntries(
          Object.entries({ ...HEALTHY, ...change }).flatMap(([series, values]) =>
            values === null ? [] : [[series, longer(values)]],
          ),
        ),
      })
      const cases = [
        one('healthy', {}, null, 0),
        ...[...Object.entries(FIRING), ...ALSO_FIRING].map(([alert, change]) => one(alert, change, alert, 1)),
      ]
      expect(testRules('1m', cases)).toEqual({ status: 0, said: expect.stringContaining('SUCCESS') })
    },
    60_000,
  )
})
