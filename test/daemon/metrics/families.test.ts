import { expect, it } from 'vitest'
import { Counter, exposition, Gauge, Histogram } from '../../../daemon/metrics/families.ts'
import { Instruments } from '../../../daemon/metrics/instruments.ts'

it('tells each family with its help, its type and its series', () => {
  const counter = new Counter('c_total', 'Counts.', { a: ['x', 'y'], b: ['z'] })
  counter.add(['x', 'z'])
  counter.add(['x', 'z'], 2)
  const gauge = new Gauge('g', 'Is.', { state: ['on', 'off'] })
  gauge.choose('off')
  const none = new Gauge('n', 'Is not.')
  none.set(1)
  none.set(null)
  expect(exposition([counter, gauge, none])).toBe(
    [
      '# HELP c_total Counts.',
      '# TYPE c_total counter',
      'c_total{a="x",b="z"} 3',
      'c_total{a="y",b="z"} 0',
      '# HELP g Is.',
      '# TYPE g gauge',
      'g{state="on"} 0',
      'g{state="off"} 1',
      '# HELP n Is not.',
      '# TYPE n gauge',
      '',
    ].join('\n'),
  )
})

it('puts times into buckets that add up, the last of which has all', () => {
  const histogram = new Histogram('h_seconds', 'Takes.', { what: ['x'] })
  for (const seconds of [0.0005, 0.0006, 4, 31]) histogram.observe(seconds, 'x')
  const lines = histogram.lines()
  expect(lines).toContain('h_seconds_bucket{what="x",le="0.0005"} 1')
  expect(lines).toContain('h_seconds_bucket{what="x",le="0.001"} 2')
  expect(lines).toContain('h_seconds_bucket{what="x",le="5"} 3')
  expect(lines).toContain('h_seconds_bucket{what="x",le="30"} 3')
  expect(lines).toContain('h_seconds_bucket{what="x",le="+Inf"} 4')
  expect(lines).toContain('h_seconds_count{what="x"} 4')
  expect(lines.find(line => line.startsWith('h_seconds_sum'))).toMatch(/ 35\.0011/)
})

it('makes no series for a value that is not in a label', () => {
  const instruments = new Instruments('1.0')
  const before = instruments.page().split('\n').length
  for (let i = 0; i < 1000; i++) {
    instruments.tpmErrors.add([`E${i}`])
    instruments.ends.add([`"} 1\nforged ${i}`])
    instruments.tpmCommand.observe(0.1, `C${i}`)
    instruments.denialReasons.add([`R${i}`])
  }
  const page = instruments.page()
  expect(page).not.toContain('forged')
  // One histogram has begun (16 buckets, sum and count), and one label has no `other` of its own.
  expect(page.split('\n').length).toBeLessThanOrEqual(before + 18 + 1)
  expect(page).toContain('writ_tpm_errors_total{code="other"} 1000')
})

it('counts what the lineage tells of', () => {
  const to = new Instruments('1.0')
  const base = { v: 1, time: '2026-01-01T00:00:00.000Z', bootNs: '1' } as const
  const reason = (code: string) => ({ code, message: 'no', at: null })
  const told = (event: object) => to.recorded({ ...base, ...event } as never)
  told({ type: 'decision', outcome: 'permit', reasons: [] })
  told({ type: 'decision', outcome: 'deny', reasons: [reason('REPLAYED'), reason('POLICY_DENIED')] })
  told({ type: 'denials-counted', uid: 1, count: 7, reasonCounts: { REPLAYED: 7 } })
  told({ type: 'execution-end', cause: 'EXITED' })
  told({ type: 'execution-end', cause: 'REVOKED' })
  told({ type: 'adoption' })
  told({ type: 'trust-transition', to: 'FAILED' })
  told({ type: 'counter', value: '41' })
  const page = to.page()
  for (const line of [
    'writ_decisions_total{outcome="permit"} 1',
    'writ_decisions_total{outcome="deny"} 8',
    'writ_denial_reasons_total{reason="REPLAYED"} 8',
    'writ_denial_reasons_total{reason="POLICY_DENIED"} 1',
    'writ_denials_without_entry_total 7',
    'writ_execution_ends_total{cause="EXITED"} 1',
    'writ_execution_ends_total{cause="REVOKED"} 1',
    'writ_execution_adoptions_total 1',
    'writ_gate_transitions_total{to="FAILED"} 1',
    'writ_tpm_counter_steps_total 1',
    'writ_tpm_counter_value 41',
  ])
    expect(page).toContain(`${line}\n`)
})
