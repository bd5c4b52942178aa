import { describe, expect, test } from 'vitest'
import { ClockWatch } from '../../authorization/index.ts'
import { sha256Hex } from '../../encoding/digest.ts'
import { type LineageEvent, SNAPSHOT_LAG, SnapshotCheck, snapshotPieces, Tally } from '../../lineage/index.ts'
import { Executions } from '../../lineage/snapshot/executions.ts'
import { Kept } from '../../lineage/snapshot/kept.ts'

const common = { v: 1, time: '2026-11-21T02:00:00.000Z', bootNs: '1' }
const makeClock = (state?: ConstructorParameters<typeof ClockWatch>[0]) => new ClockWatch(state)
/** As much of an event as is looked at. */
const event = (type: LineageEvent['type'], fields: object = {}) =>
  ({ ...common, type, ...fields }) as unknown as LineageEvent
const indicesOf = (...events: LineageEvent[]) => {
  const kept = new Kept()
  for (const [index, it] of events.entries()) kept.apply(index, it)
  return kept.indices
}
const failed = event('trust-transition', { from: 'ATTESTED', to: 'FAILED' })
const left = event('trust-transition', { from: 'FAILED', to: 'UNATTESTED' })
const appraisal = (verdict: 'pass' | 'fail', clock: object | null, reasons: object[] = []) =>
  event('appraisal', { verdict, clock, reasons })

describe('entries that a start reads again', () => {
  test.each(['revocation', 'reference-values', 'rollback-accepted', 'epoch', 'epoch-accepted'] as const)(
    'are each %s',
    type => expect(indicesOf(event(type), event('counter'), event(type))).toEqual([0, 2]),
  )

  test.each(['daemon-start', 'trust-roots', 'policy', 'host-labels', 'secret-policy'] as const)(
    'are the newest %s',
    type => expect(indicesOf(event(type), event('counter'), event(type))).toEqual([2]),
  )

  test('are the ends of what an earlier log permitted', () => {
    const end = (decision: number) => event('execution-end', { executionId: 'a', decision })
    expect(indicesOf(end(0), end(1), end(0))).toEqual([0, 2])
  })

  test('are the failure in force and what may have ended it', () => {
    expect(indicesOf(failed, event('failure-cleared'), left)).toEqual([0, 1, 2])
    expect(indicesOf(failed, left, failed)).toEqual([2])
    expect(indicesOf(event('failure-cleared'), left)).toEqual([])
    // It fails a host that had not failed, or may not have.
    expect(indicesOf(appraisal('fail', null), appraisal('fail', null))).toEqual([0])
    expect(indicesOf(failed, left, appraisal('fail', null), appraisal('fail', null))).toEqual([0, 1, 2])
  })

  test('are the newest quotes: of any host, and of one that had not failed', () => {
    const back = [{ code: 'CLOCK_ROLLED_BACK' }]
    expect(indicesOf(appraisal('pass', {}), appraisal('pass', {}))).toEqual([1])
    expect(indicesOf(failed, appraisal('pass', {}), appraisal('fail', {}))).toEqual([0, 1, 2])
    expect(indicesOf(failed, appraisal('fail', {}), appraisal('fail', {}, back))).toEqual([0, 1])
    expect(indicesOf(failed, appraisal('pass', null))).toEqual([0])
  })

  test('are the tail in doubt, and what may have accepted it', () => {
    expect(indicesOf(event('tail-accepted'), event('recovery'))).toEqual([1])
    expect(indicesOf(event('recovery'), event('recovery'), event('tail-accepted'))).toEqual([1, 2])
  })

  test('are the fault of the clock in force, and the clearance that its state rests on', () => {
    const fault = event('clock-untrusted', { why: 'x' })
    const by = (who: string) => event('clock-trusted', { by: who })
    expect(indicesOf(fault, fault)).toEqual([1])
    expect(indicesOf(fault, by('return'))).toEqual([])
    expect(indicesOf(fault, by('operator'))).toEqual([0, 1])
    expect(indicesOf(fault, by('operator'), fault, by('return'))).toEqual([0, 1])
    expect(indicesOf(fault, by('operator'), fault)).toEqual([0, 1, 2])
    expect(indicesOf(fault, by('operator'), fault, by('tpm'))).toEqual([])
    expect(indicesOf(by('operator'))).toEqual([])
  })
})

describe('executions that go on', () => {
  const permit = (n: number) =>
    event('decision', { outcome: 'permit', executionId: String(n), caller: { uid: 1, parent: null } })

  test('are remembered as permits up to a bound, the newest', () => {
    const executions = new Executions()
    for (let n = 0; n < 5000; n++) executions.apply(n, permit(n))
    expect(executions.state.map(({ decision }) => decision)).toEqual(
      Array.from({ length: 4096 }, (_, n) => n + 904),
    )
  })

  test('end, also without a start, and begin by nothing but a permit or a start', () => {
    const executions = new Executions()
    executions.apply(0, { ...permit(1), outcome: 'deny' } as LineageEvent)
    expect(executions.state).toEqual([])
    executions.apply(1, permit(1))
    executions.apply(2, event('execution-end', { executionId: '1' }))
    expect(executions.state).toEqual([])
    executions.apply(3, permit(2))
    executions.apply(4, event('execution-start', { executionId: '2', decision: 3, parent: null }))
    expect(executions.state).toMatchObject([{ executionId: '2', decision: 3, start: 4, uid: 1 }])
    executions.apply(5, event('execution-end', { executionId: '2' }))
    expect(executions.state).toEqual([])
  })
})

describe('whoever adds up again', () => {
  const digestOf = (tally: Tally) => sha256Hex(Buffer.concat([...snapshotPieces(tally)]))
  /** A log of as many entries, and then a snapshot of the first of them. */
  function judged(entries: number, size: number, fields: object = {}) {
    const [check, tally] = [new SnapshotCheck(makeClock), new Tally(makeClock)]
    for (let n = 0; n < entries; n++) {
      check.take(event('counter'), n)
      if (n < size) tally.add(event('counter'))
    }
    const horizonMs = tally.nextHorizonMs()
    const horizon = horizonMs === null ? null : new Date(horizonMs).toISOString()
    const it = { size, digest: digestOf(tally), previous: null, horizon, ...fields }
    check.take(event('snapshot', it), entries)
    // What is wrong stays wrong, whatever comes.
    check.take(event('counter'), entries + 1)
    return check.result()
  }

  test('takes a snapshot that is a little behind, and no other', () => {
    expect(judged(3, 3).status).toBe('VERIFIED')
    expect(judged(3, 0).status).toBe('VERIFIED')
    expect(judged(SNAPSHOT_LAG, 1).status).toBe('VERIFIED')
    expect(judged(SNAPSHOT_LAG, 0)).toMatchObject({
      status: 'FAILED',
      detail: expect.stringContaining('entry 16384: a snapshot of 0'),
    })
  })

  test('refuses one of entries that come after it', () => {
    expect(judged(3, 3, { size: 4 }).status).toBe('FAILED')
    expect(judged(3, 3, { size: 5 }).status).toBe('FAILED')
  })

  test.each([
    ['digest', { digest: 'ab'.repeat(32) }],
    ['one before', { previous: 1 }],
    ['horizon', { horizon: '2026-11-21T01:00:00.000Z' }],
    ['lack of a horizon', { horizon: null }],
  ])('refuses one with another %s', (_, fields) => {
    expect(judged(3, 3, fields).status).toBe('FAILED')
  })

  test('refuses one of more than a snapshot takes', () => {
    const check = new SnapshotCheck(makeClock)
    const many = 1 + (1 << 13)
    for (let n = 0; n < many; n++) {
      const executionId = n.toString(16).padStart(32, '0')
      check.take(event('execution-start', { executionId, decision: 0, parent: null, subjects: [] }), n)
    }
    const horizon = '2026-11-20T02:00:00.000Z'
    check.take(event('snapshot', { size: many, digest: 'ab'.repeat(32), previous: null, horizon }), many)
    expect(check.result().status).toBe('FAILED')
  })

  test('a horizon is a day behind a clock that is relied on, and stays where it is behind another', () => {
    const tally = new Tally(makeClock)
    const at = (time: string) =>
      event('counter', { time, bootNs: String(BigInt(Date.parse(time)) * 1_000_000n) })
    tally.add(at('2026-11-21T02:00:00.000Z'))
    const first = Date.parse('2026-11-20T02:00:00.000Z')
    expect(tally.nextHorizonMs()).toBe(first)
    tally.add(event('snapshot', { horizon: new Date(first).toISOString() }))
    tally.add(event('clock-untrusted', { why: 'x' }))
    tally.add(at('2026-11-25T02:00:00.000Z'))
    expect(tally.nextHorizonMs()).toBe(first)
    // Nor does it go back with a clock that an operator sets back.
    tally.add({ ...at('2026-11-10T02:00:00.000Z'), type: 'clock-trusted', by: 'operator' } as LineageEvent)
    expect([tally.clock.fault, tally.clock.floorMs]).toEqual([null, Date.parse('2026-11-10T02:00:00.000Z')])
    expect(tally.nextHorizonMs()).toBe(first)
    // An entry with an earlier one moves nothing.
    tally.add(event('snapshot', { horizon: '2026-11-01T00:00:00.000Z' }))
    expect([tally.horizonMs, tally.nextHorizonMs()]).toEqual([first, first])
  })
})
