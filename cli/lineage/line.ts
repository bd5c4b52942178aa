import type { LineageEvent } from '../../lineage/index.ts'
import { printable, styled } from '../output.ts'
import { executionOf } from './execution.ts'

/** A digest or id as it is shown where the whole of it would not help. */
export const short = (hex: string) => hex.slice(0, 12)

/** An event in the words of a line: what happened, to whom, and the rest. Plain text, safe for a terminal. */
export interface Described {
  /** One word. In capitals what is about an execution or a request. */
  readonly what: string
  /** How the word is shown: what is good, what is bad, what is neither. */
  readonly tone: 'green' | 'red' | 'yellow' | 'bold'
  /** Who asked, if it is about a request. */
  readonly who: string
  /** The execution that it is about. */
  readonly execution: string
  readonly text: string
}

type Reasons = readonly { code: string; message: string }[]

const codes = (reasons: Reasons) => [...new Set(reasons.map(r => r.code))].join(', ')
const because = (reasons: Reasons) => (reasons.length === 0 ? '' : `: ${codes(reasons)}`)

const BY = {
  return: 'it came back',
  tpm: "the TPM's clock explains it",
  operator: 'an operator signed for it',
}

type Said = readonly [what: string, tone: Described['tone'], text: string]

/** What an event says, for a person. @param command what was asked for, where that is known; it may say anything */
export function describe(event: LineageEvent, command: string | null = null): Described {
  const [what, tone, text] = say(event, command)
  const who =
    event.type === 'decision' || event.type === 'renewal'
      ? `uid ${event.caller.uid}`
      : event.type === 'denials-counted'
        ? `uid ${event.uid}`
        : ''
  const denied = event.type === 'decision' && event.outcome === 'deny'
  return { what, tone, who, execution: denied ? '' : (executionOf(event) ?? ''), text: printable(text) }
}

/** One line on an event, for a person. */
export function eventText(event: LineageEvent): string {
  const { what, tone, who, execution, text } = describe(event)
  return [styled(tone, what), short(execution), who, text].filter(part => part !== '').join('  ')
}

function say(event: LineageEvent, command: string | null): Said {
  switch (event.type) {
    case 'decision':
    case 'renewal':
      return sayDecision(event, command)
    case 'denials-counted': {
      const counts = Object.entries(event.reasonCounts).map(([code, n]) => `${code} ${n}`)
      return ['DENY', 'red', `${event.count} times: ${counts.join(', ')}`]
    }
    case 'execution-start':
    case 'freeze':
    case 'thaw':
    case 'hand-over':
    case 'adoption':
    case 'kill-sent':
    case 'execution-end':
      return sayExecution(event)
    case 'trust-transition':
      return [
        'gate',
        event.to === 'ATTESTED' ? 'green' : 'red',
        `${event.from} → ${event.to}, epoch ${event.epoch}${because(event.reasons)}`,
      ]
    case 'appraisal': {
      const tone = event.verdict === 'pass' ? 'green' : event.verdict === 'fail' ? 'red' : 'yellow'
      return ['appraisal', tone, `${event.verdict}${because(event.reasons)}`]
    }
    default:
      return sayHost(event)
  }
}

function sayDecision(event: LineageEvent & { type: 'decision' | 'renewal' }, command: string | null): Said {
  const permit = event.outcome === 'permit'
  const what = event.type === 'decision' ? (permit ? 'PERMIT' : 'DENY') : permit ? 'RENEW' : 'LAPSE'
  const id =
    event.type === 'decision' && event.use !== null ? ` [${event.use.id} by ${event.use.issuer}]` : ''
  const asked = command ?? (event.artifact === null ? 'no artifact' : `artifact ${short(event.artifact)}`)
  return [what, permit ? 'green' : 'red', permit ? `${asked}${id}` : `${codes(event.reasons)}: ${asked}`]
}

type OfExecution =
  | 'execution-start'
  | 'freeze'
  | 'thaw'
  | 'hand-over'
  | 'adoption'
  | 'kill-sent'
  | 'execution-end'

function sayExecution(event: LineageEvent & { type: OfExecution }): Said {
  switch (event.type) {
    case 'execution-start':
      return [
        'START',
        'green',
        `pid ${event.pid}, epoch ${event.epoch}${event.parent === null ? '' : `, child of ${short(event.parent)}`}`,
      ]
    case 'freeze':
      return ['FREEZE', 'yellow', event.cause]
    case 'thaw':
      return ['THAW', 'green', `epoch ${event.epoch}`]
    case 'hand-over':
      return ['KEEP', 'yellow', `over a ${event.over} of the daemon`]
    case 'adoption':
      return ['ADOPT', 'green', `epoch ${event.epoch}`]
    case 'kill-sent':
      return ['KILL', 'yellow', event.cause]
    case 'execution-end': {
      const { cause, exitCode, signal, confirmedDead } = event
      const how = exitCode !== null ? `, exit ${exitCode}` : signal !== null ? `, signal ${signal}` : ''
      const tone = confirmedDead ? (cause === 'EXITED' && exitCode === 0 ? 'green' : 'yellow') : 'red'
      return ['END', tone, `${cause}${how}${confirmedDead ? '' : ', not confirmed dead'}`]
    }
  }
}

type HostEvent = Exclude<
  LineageEvent,
  {
    type: 'decision' | 'renewal' | 'denials-counted' | OfExecution | 'trust-transition' | 'appraisal'
  }
>

function sayHost(event: HostEvent): Said {
  switch (event.type) {
    case 'daemon-start': {
      const unclean = event.clean ? '' : ', after an unclean stop'
      return [
        'daemon',
        'bold',
        `starts, version ${event.daemonVersion}${unclean}${event.tier === 'simulated' ? ', simulated TPM' : ''}`,
      ]
    }
    case 'daemon-stop':
      return ['daemon', 'bold', `stops: ${event.cause}`]
    case 'config':
      return ['config', 'bold', `${short(event.digest)} in force: ${event.changed.join(', ')}`]
    case 'recovery':
      return ['recovery', 'yellow', `after an unclean stop at entry ${event.tail}`]
    case 'tail-accepted':
      return ['accepted', 'yellow', `an operator accepts the tail up to entry ${event.tail}`]
    case 'rollback-accepted':
      return [
        'accepted',
        'red',
        `an operator accepts that files were put back: the log goes on from ${event.tail} entries, uses from before are lost`,
      ]
    case 'failure-cleared':
      return ['cleared', 'green', 'an operator clears the failure']
    case 'reference-values':
      return ['reference', 'bold', `values ${short(event.digest)} in force`]
    case 'trust-roots':
      return ['roots', 'bold', `trust roots ${short(event.digest)} in force, version ${event.version}`]
    case 'secret-policy':
      return ['secrets', 'bold', `secret policy ${short(event.digest)} in force, version ${event.version}`]
    case 'policy':
      return ['policy', 'bold', `${short(event.digest)} in force, version ${event.version}`]
    case 'host-labels':
      return ['labels', 'bold', `of the host ${short(event.digest)} in force, version ${event.version}`]
    case 'clock-untrusted':
      return ['clock', 'red', `not relied on: ${event.why}`]
    case 'clock-trusted':
      return ['clock', 'green', `relied on again: ${BY[event.by]}`]
    case 'revocation':
      return ['revoke', 'yellow', `${short(event.digest)} in force, epoch ${event.epoch}`]
    case 'checkpoint':
      return ['checkpoint', 'bold', `of ${event.size} entries`]
    case 'epoch':
      return [
        'epoch',
        'red',
        `${event.epoch} begins: ${event.why.code}, ${event.previous.salvaged.size} entries of the log before are whole`,
      ]
    case 'epoch-accepted':
      return ['accepted', 'yellow', `an operator accepts epoch ${event.epoch}: uses from before are lost`]
    case 'evidence-dropped':
      return [
        'dropped',
        'yellow',
        `${event.digests.length} blobs of entries before ${event.before}, ${event.bytes} bytes`,
      ]
    case 'snapshot':
      return ['snapshot', 'bold', `${short(event.digest)} of what the log adds up to`]
    case 'counter':
      return ['counter', 'bold', `of the TPM moves to ${event.value}`]
  }
}
