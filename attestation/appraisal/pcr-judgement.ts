import type { ReferenceValues } from '../reference/document.ts'
import type { PcrRule } from '../reference/pcr-rule.ts'
import { QUOTED_BANK, QUOTED_PCRS } from '../tpm2/structures/index.ts'
import type { AttestedLogs } from './logs.ts'
import { type AppraisalReason, failure } from './reason.ts'
import type { LogReplays } from './replays.ts'

/** The digests that extended one PCR, with where they stand. PCR 10 belongs to IMA and is not asked for here. */
function eventsOf(attested: AttestedLogs, pcr: number): { digest: string; at: string }[] {
  const { boot, userspace } = attested
  const firmware = boot.replay.events
    .filter(({ event, extended }) => extended && event.pcr === pcr)
    .map(({ event }) => ({ digests: event.digests, at: `event ${event.index}` }))
  const system = userspace
    .filter(event => event.pcr === pcr)
    .map(event => ({ digests: event.digests, at: `record ${event.index}` }))
  return [...firmware, ...system].map(({ digests, at }) => ({
    digest: digests.get(QUOTED_BANK)?.toString('hex') ?? '',
    at,
  }))
}

function judgePcr(pcr: number, rule: PcrRule, attested: AttestedLogs): AppraisalReason[] {
  const at = `PCR ${pcr}`
  switch (rule.rule) {
    case 'value': {
      const value = attested.pcrs.get(pcr)?.toString('hex') ?? ''
      return rule.values.includes(value)
        ? []
        : [failure('PCR_VALUE_UNKNOWN', `${at} is ${value}, which is not listed`, at, rule.values.join(', '))]
    }
    case 'events':
      return eventsOf(attested, pcr)
        .filter(({ digest }) => !rule.digests.includes(digest))
        .map(event =>
          failure(
            'PCR_EVENT_UNKNOWN',
            `${at} was extended with ${event.digest} (${event.at}), which is not listed`,
            at,
            rule.digests.join(', '),
          ),
        )
    case 'described':
    case 'ima':
    case 'any':
      return []
  }
}

/**
 * Judges each quoted PCR by its rule, those that are `described` by the statements together. One without a rule fails: what nobody looks at could be
 * anything.
 */
export function judgePcrs(
  attested: AttestedLogs,
  reference: ReferenceValues,
  replays: LogReplays,
): AppraisalReason[] {
  const ruled = QUOTED_PCRS.flatMap(pcr => {
    const rule = reference.pcrs.get(pcr)
    return rule === undefined
      ? [failure('PCR_UNJUDGED', `no rule judges PCR ${pcr}`, `PCR ${pcr}`, 'a rule')]
      : judgePcr(pcr, rule, attested)
  })
  return [...ruled, ...replays.statements(attested.boot, attested.userspace, reference)]
}
