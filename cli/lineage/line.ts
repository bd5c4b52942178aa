import type { LineageEvent } from '../../lineage/index.ts'
import { printable, styled } from '../output.ts'

/** A digest or id as it is shown where the whole of it would not help. */
export const short = (hex: string) => hex.slice(0, 12)

type Reasons = readonly { code: string; message: string }[]

const codes = (reasons: Reasons) => [...new Set(reasons.map(r => r.code))].join(', ')
const because = (reasons: Reasons) => (reasons.length === 0 ? '' : `: ${codes(reasons)}`)

const GOOD = 'green'
const BAD = 'red'

const BY = {
  return: 'it came back',
  tpm: "the TPM's clock explains it",
  operator: 'an operator signed for it',
}

/** One line on an event, for a person. */
export function eventText(event: LineageEvent): string {
  switch (event.type) {
    case 'daemon-start':
      return `daemon starts, version ${printable(event.daemonVersion)}${event.clean ? '' : ' (after an unclean stop)'}${event.tier === 'simulated' ? `, ${styled('bold', 'simulated TPM')}` : ''}`
    case 'config':
      return `configuration ${short(event.digest)} in force: ${event.changed.map(printable).join(', ')}`
    case 'daemon-stop':
      return `daemon stops: ${printable(event.cause)}`
    case 'recovery':
      return `recovered after an unclean stop at entry ${event.tail}`
    case 'tail-accepted':
      return `operator accepts the tail up to entry ${event.tail}`
    case 'rollback-accepted':
      return `${styled(BAD, 'operator accepts that files were put back')}: the log goes on from ${event.tail} entries, uses from before are lost`
    case 'trust-transition':
      return `gate ${event.from} → ${styled(event.to === 'ATTESTED' ? GOOD : BAD, event.to)}, epoch ${event.epoch}${because(event.reasons)}`
    case 'failure-cleared':
      return 'operator clears the failure'
    case 'appraisal':
      return `appraisal ${styled(event.verdict === 'pass' ? GOOD : event.verdict === 'fail' ? BAD : 'yellow', event.verdict)}${because(event.reasons)}`
    case 'reference-values':
      return `reference values ${short(event.digest)} in force`
    case 'trust-roots':
      return `trust roots ${short(event.digest)} in force, version ${event.version}`
    case 'secret-policy':
      return `secret policy ${short(event.digest)} in force, version ${event.version}`
    case 'policy':
      return `policy ${short(event.digest)} in force, version ${event.version}`
    case 'host-labels':
      return `labels of the host ${short(event.digest)} in force, version ${event.version}`
    case 'clock-untrusted':
      return `${styled(BAD, 'wall clock not relied on')}: ${event.why}`
    case 'clock-trusted':
      return `wall clock relied on again: ${BY[event.by]}`
    case 'revocation':
      return `revocation ${short(event.digest)} in force, epoch ${event.epoch}`
    case 'decision':
      return event.outcome === 'permit'
        ? `${styled(GOOD, 'PERMIT')} to uid ${event.caller.uid}${event.executionId === null ? '' : `, execution ${short(event.executionId)}`}`
        : `${styled(BAD, 'DENY')} to uid ${event.caller.uid}${because(event.reasons)}`
    case 'denials-counted':
      return `${styled(BAD, 'DENY')} ${event.count} times to uid ${event.uid}: ${Object.entries(
        event.reasonCounts,
      )
        .map(([code, n]) => `${code} ${n}`)
        .join(', ')}`
    case 'execution-start':
      return `START ${short(event.executionId)}, pid ${event.pid}, epoch ${event.epoch}`
    case 'freeze':
      return `freeze ${short(event.executionId)}: ${event.cause}`
    case 'renewal':
      return event.outcome === 'permit'
        ? `${styled(GOOD, 'may go on')} ${short(event.executionId)}`
        : `${styled(BAD, 'may not go on')} ${short(event.executionId)}${because(event.reasons)}`
    case 'thaw':
      return `thaw ${short(event.executionId)}, epoch ${event.epoch}`
    case 'kill-sent':
      return `${styled('yellow', 'kill sent')} to ${short(event.executionId)}: ${event.cause}`
    case 'execution-end': {
      const how =
        event.exitCode !== null
          ? `exit ${event.exitCode}`
          : event.signal !== null
            ? `signal ${event.signal}`
            : ''
      return `END ${short(event.executionId)}: ${event.cause}${how === '' ? '' : `, ${how}`}${event.confirmedDead ? '' : `, ${styled(BAD, 'not confirmed dead')}`}`
    }
    case 'checkpoint':
      return `checkpoint of ${event.size} entries`
    case 'epoch':
      return `${styled(BAD, `epoch ${event.epoch} begins`)}: ${event.why.code}, ${event.previous.salvaged.size} entries of the log before are whole`
    case 'epoch-accepted':
      return `operator accepts epoch ${event.epoch}: uses from before are lost`
    case 'evidence-dropped':
      return `${event.digests.length} blobs of entries before ${event.before} are not kept any longer, ${event.bytes} bytes`
    case 'snapshot':
      return `snapshot ${short(event.digest)} of what the log adds up to`
    case 'counter':
      return `TPM counter moves to ${event.value}`
  }
}
