import type { CheckResult, Reason } from '../../authorization/index.ts'
import { type Fields, PROPERTY } from '../form.ts'
import type { PropertyResult } from '../verify/property.ts'
import type { Explained } from './explain.ts'
import { between } from './sentence.ts'

const REASON = { code: 'text', message: 'text', 'at?': 'text: the field that it is about' } as const

/** The form of {@link explainedJson}. */
export const EXPLAINED = {
  sentence: 'text: why, and for an execution how it ended',
  failed:
    'boolean: something is FAILED, or not VERIFIED although you gave a key for it; the exit status is then 1',
  outcome: 'text: permit or deny',
  decision: 'number: its position in the lineage',
  time: 'time',
  'executionId|null': 'hex',
  caller: {
    uid: 'number',
    gid: 'number',
    pid: 'number',
    'cgroup|null': 'text',
    'unit|null': 'text',
    'parent|null': 'hex',
  },
  'artifactDigest|null': "digest: of the artifact's payload",
  'authorization|null': 'json: the predicate of the artifact; null if it may not be seen or was none',
  'request|null': 'json: what was asked for; null if it may not be seen',
  reasons: [REASON],
  checks: [
    {
      stage: 'text: artifact, subjects, integrity, policy or use',
      check: 'text',
      outcome: 'text: passed, failed, not reached or not applicable',
      'found|null': 'text: what was asked for or found',
      'wanted|null': 'text: what it was held against',
      reasons: [REASON],
    },
  ],
  'policy|null': {
    version: 'number',
    digest: 'digest',
    'outcome|null': 'text: allow, deny or failed; null if it was not asked',
    determining: [{ id: 'text', text: 'text: in Cedar' }],
  },
  'evidence|null': {
    state: 'text: of the gate',
    epoch: 'number',
    'entry|null': 'number: of the appraisal',
    'verdict|null': 'text: null if the appraisal may not be seen',
    'ageMs|null': 'number: at the decision',
    tier: 'text',
    'referenceValues|null': 'digest',
    reasons: [{ code: 'text', message: 'text' }],
  },
  'end|null': {
    cause: 'text: of the entry',
    because: 'text',
    'afterMs|null': 'number: since the start; null if it never ran',
    'exitCode|null': 'number',
    'signal|null': 'number',
    confirmedDead: 'boolean',
  },
  entries: [
    {
      index: 'number',
      type: 'text',
      time: 'time',
      leafHash: 'hex',
      inclusion: 'text: VERIFIED, NOT CHECKED or FAILED',
      'treeSize|null': 'number: of the tree of the proof',
      hashes: ['hex'],
    },
  ],
  'checkpoint|null': { origin: 'text', size: 'number', root: 'hex' },
  properties: [PROPERTY],
} satisfies Fields

const reasonJson = ({ code, message, at }: { code: string; message: string; at?: string | null }) => ({
  code,
  message,
  ...(at == null ? {} : { at }),
})

function checkJson({ stage, name, outcome, compared, reasons }: CheckResult) {
  return {
    ...{ stage, check: name, outcome },
    ...{ found: compared?.found ?? null, wanted: compared?.wanted ?? null },
    reasons: reasons.map((reason: Reason) => reasonJson(reason)),
  }
}

/** The result with `--json`, of the form {@link EXPLAINED}. */
export function explainedJson(explained: Explained, failed: boolean) {
  const { request, recorded, cause, evidence, entries, checkpoint } = explained
  const { record, again, statement } = recorded
  const { decision, start, end } = request
  const { event } = decision
  return {
    ...{ sentence: explained.sentence, failed, outcome: event.outcome, decision: decision.index },
    ...{ time: event.time, executionId: event.executionId, caller: event.caller },
    artifactDigest: event.artifact,
    authorization: statement?.predicate ?? null,
    request: record?.inputs?.request ?? null,
    reasons: event.reasons.map(reasonJson),
    checks: (again?.checks ?? []).map(checkJson),
    policy: again?.policy
      ? {
          ...{ version: again.policy.version, digest: again.policy.digest },
          ...{ outcome: again.policy.outcome, determining: again.policy.policies },
        }
      : null,
    evidence: evidence && {
      ...{ state: evidence.state, epoch: evidence.epoch, entry: evidence.entry },
      ...{ verdict: evidence.appraisal?.event.verdict ?? null, ageMs: evidence.ageMs, tier: evidence.tier },
      ...{ referenceValues: evidence.referenceValues, reasons: evidence.reasons },
    },
    end:
      end === null
        ? null
        : {
            ...{ cause: end.event.cause, because: cause?.text ?? '' },
            afterMs: start === null ? null : between(start, end),
            ...{ exitCode: end.event.exitCode, signal: end.event.signal },
            confirmedDead: end.event.confirmedDead,
          },
    entries: entries.map(({ index, event: { type, time }, leafHash, status, proof }) => ({
      ...{ index, type, time, leafHash, inclusion: status },
      ...{ treeSize: proof?.treeSize ?? null, hashes: proof?.hashes ?? [] },
    })),
    checkpoint: checkpoint && { origin: checkpoint.origin, size: checkpoint.size, root: checkpoint.root },
    properties: explained.properties satisfies readonly PropertyResult[],
  }
}
