import { readBootId } from './first-entries.ts'
import type { TrustTransition } from './gate.ts'
import type { History } from './history/history.ts'
import { bootTimeNs } from './native.ts'
import type { DaemonParts } from './parts.ts'
import { type EventBody, recordedReasons } from './recorder.ts'
import { type ClockChange, WallClock } from './wall-clock.ts'

/** The wall clock, held against what the log says of it. */
export function watchedClock(history: History, wallMs: () => number): WallClock {
  history.clock.begin(readBootId())
  const monotonicNs = () => process.hrtime.bigint()
  return new WallClock(
    { wallMs, bootNs: bootTimeNs, monotonicNs },
    history.clock,
    history.clockFault !== null,
  )
}

/** A clearance names the entry, so there has to be one. */
export function onClockChange(
  { recorder, history, log, onStatusChange }: DaemonParts,
  change: ClockChange,
): void {
  const event: EventBody = change.trusted
    ? { type: 'clock-trusted', by: change.by, digest: null, blob: null }
    : { type: 'clock-untrusted', why: change.why }
  log[change.trusted ? 'info' : 'error']({ event: event.type, ...change }, 'the wall clock')
  recorder
    .record(event)
    .then(index => {
      history.clockFault = change.trusted ? null : { index, why: change.why }
      onStatusChange()
    })
    .catch((err: unknown) => log.error({ err }, 'a change of the clock was not recorded'))
}

/** A closing gate orders the end of everything first; only then is anything written. */
export function onTransition(parts: DaemonParts, { from, to, epoch, reasons }: TrustTransition): void {
  const { executor, recorder, history, sealing, log } = parts
  // A host that failed is not one that is late: nothing waits for it to recover.
  if (to !== 'ATTESTED') executor.lapse(epoch - 1n, to !== 'FAILED')
  const level = to === 'FAILED' ? 'error' : to === 'STALE' ? 'warn' : 'info'
  log[level]({ event: 'trust-transition', from, to, epoch: String(epoch), reasons }, 'trust transition')
  recorder
    .record({
      type: 'trust-transition',
      from,
      to,
      epoch: Number(epoch),
      reasons: recordedReasons(reasons),
    })
    .then(index => {
      if (to === 'FAILED') {
        history.failure = reasons
        history.failureIndex = index
      } else if (from === 'FAILED') {
        history.failure = null
        history.failureIndex = null
      }
      if (to === 'FAILED') sealing.anchorSoon()
      else sealing.soon()
    })
    .catch((err: unknown) => log.error({ err }, 'a trust transition was not recorded'))
  parts.onStatusChange()
}
