import { signEnvelope } from '../signing/dsse.ts'
import type { PrivateKey } from '../signing/key.ts'
import type { Decision } from './decision.ts'
import { AuthorizationError } from './error.ts'
import type { DecisionInput } from './input.ts'
import { uncheckedStatementBytes } from './issue.ts'
import { subjectsToMint } from './mint-terms.ts'
import { ARTIFACT_PAYLOAD_TYPE, type Authorization } from './statement.ts'
import type { LaunchTerms } from './terms.ts'

/** The scope that allows exactly these terms. */
function exactScope(terms: LaunchTerms, names: ReadonlyMap<string, string>): Authorization['scope'] {
  const name = (path: string): string => names.get(path) ?? path
  const { runTimeMs, ...limits } = terms.limits
  const any = (value: number | null): number | 'any' => value ?? 'any'
  return {
    program: { subject: name(terms.program.path), path: terms.program.path },
    files: terms.files.map(({ path, role }) => ({ subject: name(path), path, role })),
    argv: terms.argv,
    env: terms.env,
    cwd: terms.cwd,
    user: terms.user,
    stdio: terms.stdio,
    sandbox: terms.sandbox,
    limits: {
      runTime: runTimeMs === null ? 'any' : Math.ceil(runTimeMs / 1000),
      memoryBytes: any(limits.memoryBytes),
      pids: any(limits.pids),
      cpuSeconds: any(limits.cpuSeconds),
      openFiles: any(limits.openFiles),
      outputBytes: any(limits.outputBytes),
      cpuPercent: any(limits.cpuPercent),
      fileBytes: any(limits.fileBytes),
    },
    devices: terms.devices,
    children: 'none',
  }
}

/**
 * Makes the artifact that a permitted `authorize` asked for, signed with the session key that quotes certify: for this
 * host, this caller and these terms, once, and not beyond the evidence.
 *
 * @throws AuthorizationError `NOT_PERMITTED` unless the decision is a permit to mint under this very key;
 *   `STATEMENT_MALFORMED` when the request is too large for an artifact
 */
export function mintArtifact(input: DecisionInput, decision: Decision, key: PrivateKey): Buffer {
  const { request, caller, host, gate, policy, minting, clock } = input
  const { terms } = decision
  const ours = minting.enabled && key.public.spki.toString('base64') === minting.sessionKeySpki
  const asked = request.operation === 'authorize' && input.artifact === null
  if (
    decision.outcome !== 'permit' ||
    !ours ||
    !asked ||
    terms === null ||
    caller === null ||
    policy === null
  ) {
    throw new AuthorizationError('NOT_PERMITTED', 'no permit to mint an artifact')
  }
  const names = new Map(subjectsToMint(request).map(({ path, name }) => [path, name]))
  const subjects = [terms.program, ...terms.files].map(({ path, sha256 }) => ({
    name: names.get(path) ?? path,
    sha256,
  }))
  const predicate: Authorization = {
    id: `mint-${request.executionId}`,
    issuer: `host:${host.id}`,
    audience: { hosts: [host.id], labels: 'any' },
    validity: { notBefore: clock.now, notAfter: terms.notAfter, maxUses: 1 },
    initiator: {
      uids: [caller.uid],
      gids: [caller.gid],
      units: caller.unit === null ? 'any' : [caller.unit],
      cgroups: 'any',
      programs: 'any',
    },
    scope: exactScope(terms, names),
    environment: {
      referenceValues: gate.referenceValuesDigest ?? 'any',
      maxEvidenceAge: 'any',
      simulated: gate.tier === 'hardware' ? 'deny' : 'allow',
      resetCount: gate.resetCount ?? 'any',
    },
    policy: { digest: policy.digest },
    parent: { execution: caller.parentExecution ?? 'none' },
    onLapse: 'kill',
  }
  return signEnvelope(ARTIFACT_PAYLOAD_TYPE, uncheckedStatementBytes(subjects, predicate), [key])
}
