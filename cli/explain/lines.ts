import type { CheckResult, DeterminingPolicies } from '../../authorization/index.ts'
import { eventText } from '../lineage/line.ts'
import { printable, styled } from '../output.ts'
import { resultLine } from '../verify/property.ts'
import type { FoundEvidence } from './evidence.ts'
import type { Explained } from './explain.ts'
import type { ProvenEntry } from './proofs.ts'
import { duration } from './sentence.ts'

/** Longest text of one side of a comparison, and of one line of a policy. `--json` has all of it. */
const MAX_TEXT = 200
const MAX_POLICY_LINES = 40
const MAX_SENTENCE = 1000

/** Text of anybody's for one place in a line: safe for a terminal, digests short, and not longer than fits. */
function shown(text: string, max = MAX_TEXT): string {
  const brief = text.replace(/\b(?:000b)?[0-9a-f]{64}\b/g, digest => `${digest.slice(0, 12)}…`)
  return printable(cut(brief, max))
}

function cut(text: string, max: number): string {
  return text.length > max ? `${text.slice(0, max - 1)}…` : text
}

const heading = (text: string): string => styled('bold', text)
const MARKS = {
  passed: ['green', '✓'],
  failed: ['red', '✗'],
  'not reached': ['dim', '·'],
  'not applicable': ['dim', '·'],
} as const

/** One request, for a person. */
export function explainedLines(explained: Explained): string[] {
  const { request, recorded, evidence, entries, properties } = explained
  const { again, missing } = recorded
  const { event } = request.decision
  return [
    // A sentence names what it speaks of in full, as far as a line can take it.
    printable(cut(explained.sentence, MAX_SENTENCE)),
    '',
    ...(again === null
      ? [
          `${heading('Checks')}  not shown, the decision could not be made again: ${shown(missing ?? '')}`,
          ...event.reasons.map(reasonLine),
        ]
      : checkLines(again.checks)),
    '',
    ...policyLines(again?.policy ?? null),
    '',
    ...evidenceLines(evidence),
    '',
    heading('Entries'),
    ...entries.map(entryLine),
    '',
    heading('Verification'),
    ...properties.map(result => `  ${resultLine(result)}`),
  ]
}

function reasonLine({ code, message, at }: { code: string; message: string; at?: string | null }): string {
  return `      ${styled('red', code)}: ${shown(message)}${at == null ? '' : styled('dim', ` (${shown(at)})`)}`
}

function checkLines(checks: readonly CheckResult[]): string[] {
  if (checks.length === 0) return [`${heading('Checks')}  none: the inputs could not be understood`]
  const width = Math.max(...checks.map(({ name }) => name.length))
  let stage = ''
  return checks.flatMap(check => {
    const [style, mark] = MARKS[check.outcome]
    const { compared } = check
    const what =
      compared === null
        ? styled('dim', check.outcome === 'failed' ? '' : check.outcome)
        : `${shown(compared.found)} ${styled('dim', '| wanted:')} ${shown(compared.wanted)}`
    const title = check.stage === stage ? [] : [`${heading('Checks')}: ${check.stage}`]
    stage = check.stage
    return [
      ...title,
      `  ${styled(style, mark)} ${check.name.padEnd(width)}  ${what}`,
      ...check.reasons.map(reasonLine),
    ]
  })
}

function policyLines(policy: DeterminingPolicies | null): string[] {
  if (policy === null) return [`${heading('Policies')}  not known`]
  const { version, digest, outcome, policies } = policy
  const said = {
    allow: 'permitted by',
    deny: policies.length === 0 ? 'no policy permitted' : 'forbidden by',
    failed: policies.length === 0 ? 'the request could not be evaluated' : 'could not evaluate',
  }
  return [
    `${heading('Policies')}  ${outcome === null ? 'not asked' : said[outcome]}${styled('dim', `, bundle ${shown(digest)} version ${version}`)}`,
    ...policies.flatMap(({ id, text }) => {
      const lines = text.trimEnd().split('\n')
      const cut = lines.length > MAX_POLICY_LINES ? ['…'] : []
      return [
        `  ${shown(id)}`,
        ...[...lines.slice(0, MAX_POLICY_LINES), ...cut].map(
          line => `      ${printable(line.slice(0, MAX_TEXT))}`,
        ),
      ]
    }),
  ]
}

function evidenceLines(evidence: FoundEvidence | null): string[] {
  if (evidence === null) return [`${heading('Evidence')}  not known: it is in the record`]
  const { state, epoch, ageMs, entry, appraisal, referenceValues, tier, reasons } = evidence
  const verdict = appraisal === null ? 'which is not yours to see' : appraisal.event.verdict
  return [
    `${heading('Evidence')}  the gate was ${state} in epoch ${epoch}`,
    ...(entry === null
      ? ['  no evidence counted']
      : [
          `  appraisal #${entry}, ${verdict}, ${ageMs === null ? 'of unknown age' : `${duration(ageMs)} old at the decision`}`,
          `  ${styled('bold', tier)}, reference values ${shown(referenceValues ?? 'none')}`,
        ]),
    ...reasons.map(reasonLine),
  ]
}

function entryLine({ index, event, status, detail }: ProvenEntry): string {
  const proven =
    status === 'VERIFIED' ? styled('green', 'proven') : styled('yellow', `${status}: ${shown(detail)}`)
  return `  #${index}  ${styled('dim', event.time)}  ${eventText(event)}  ${proven}`
}
