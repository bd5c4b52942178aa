import { sha256Hex } from '../encoding/digest.ts'
import { canonicalJsonBytes } from '../encoding/json.ts'
import type { Story } from './story.ts'

/** in-toto attestation, spec/v1/statement.md. */
const STATEMENT_TYPE = 'https://in-toto.io/Statement/v1'
export const RECEIPT_PREDICATE_TYPE = 'https://writ.dev/execution-receipt/v1'

/**
 * The in-toto Statement of an execution: a pure function of the entries and of the record that the permit names. Whoever has these makes it
 * again, byte by byte, so that nothing in it is the signer's word alone.
 */
export function statementOf(story: Story) {
  const { run, trustRoots, policy, appraisal, parent, permit, inputs, terms, start, between, end } = story
  const { caller, use } = permit.event
  const { streams } = end.event
  return {
    _type: STATEMENT_TYPE,
    subject: [
      { name: terms.program.path, digest: { sha256: terms.program.sha256 } },
      ...terms.files.map(({ path, sha256, role }) => ({
        name: path,
        digest: role === 'tree' ? { writTreeV1: sha256 } : { sha256 },
      })),
      // A path begins with a slash.
      ...(['stdin', 'stdout', 'stderr'] as const).flatMap(name => {
        const digest = streams?.[name]
        return digest == null ? [] : [{ name, digest: { sha256: digest.sha256 } }]
      }),
    ],
    predicateType: RECEIPT_PREDICATE_TYPE,
    predicate: {
      execution: story.executionId,
      parent: { execution: inputs.parent?.executionId ?? null, start: parent?.index ?? null },
      host: {
        id: run.event.hostId,
        entry: run.index,
        ...{ daemonVersion: run.event.daemonVersion, bootId: run.event.bootId, tier: run.event.tier },
        configuration: run.event.configDigest,
      },
      caller: { uid: caller.uid, gid: caller.gid, pid: caller.pid, cgroup: caller.cgroup, unit: caller.unit },
      workload: {
        program: terms.program,
        files: terms.files,
        ...{ argv: terms.argv, cwd: terms.cwd, user: terms.user, stdio: terms.stdio, sandbox: terms.sandbox },
        ...{ limits: terms.limits, devices: terms.devices, detach: terms.detach },
        // The values may be nobody's business who looks at the statement alone.
        environment: sha256Hex(canonicalJsonBytes(terms.env)),
      },
      artifact: {
        digest: permit.event.artifact,
        issuer: use?.issuer ?? null,
        id: use?.id ?? null,
        maxUses: use?.maxUses ?? null,
      },
      policy: {
        envelope: inputs.policy,
        document: policy && {
          entry: policy.index,
          digest: policy.event.digest,
          version: policy.event.version,
        },
      },
      trustRoots: {
        envelope: inputs.trustRoots,
        document: trustRoots && {
          entry: trustRoots.index,
          ...{ digest: trustRoots.event.digest, version: trustRoots.event.version },
        },
      },
      revocations: inputs.revocations,
      appraisal: {
        entry: appraisal.index,
        time: appraisal.event.time,
        verdict: appraisal.event.verdict,
        reasons: appraisal.event.reasons.map(({ code }) => code),
        referenceValues: appraisal.event.binding.referenceValuesDigest,
        quote: appraisal.event.evidence.attest,
      },
      decision: { entry: permit.index, time: permit.event.time, record: permit.event.record },
      start: {
        entry: start.index,
        ...{ time: start.event.time, bootNs: start.event.bootNs, pid: start.event.pid },
        ...{ cgroup: start.event.cgroup, epoch: start.event.epoch },
      },
      between: between.map(({ index, event }) => ({
        entry: index,
        type: event.type,
        time: event.time,
        cause: 'cause' in event ? event.cause : null,
        outcome: 'outcome' in event ? event.outcome : null,
      })),
      end: {
        entry: end.index,
        ...{ time: end.event.time, bootNs: end.event.bootNs, cause: end.event.cause },
        ...{ exitCode: end.event.exitCode, signal: end.event.signal, confirmedDead: end.event.confirmedDead },
        ...{ rusage: end.event.rusage, streams },
      },
    },
  }
}

/** An in-toto Statement whose predicate is that of an execution. */
export type ReceiptStatement = ReturnType<typeof statementOf>

/** Its one encoding. */
export function statementBytes(statement: ReceiptStatement): Buffer {
  return canonicalJsonBytes(statement)
}
