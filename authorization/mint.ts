import type { PrivateKey } from '../signing/key.ts'
import type { Decision } from './decision.ts'
import { AuthorizationError } from './error.ts'
import type { DecisionInput } from './input.ts'
import { issueArtifact } from './issue.ts'
import { type Reason, reason } from './reason.ts'
import type { ExecutionRequest, ObservedSubject } from './request.ts'
import { LOADER_VARIABLES, type Resolution, type SubjectToOpen } from './scope.ts'
import type { Authorization } from './statement.ts'
import type { LaunchTerms } from './terms.ts'

/** What to open for a request that has no artifact and asks for one. */
export function subjectsToMint(request: ExecutionRequest): SubjectToOpen[] {
  return [
    { path: request.program, name: 'program', sha256: null },
    ...request.files
      .filter(path => path !== request.program)
      .map((path, i) => ({ path, name: `file-${i + 1}`, sha256: null })),
  ]
}

/** The terms of a request without an artifact: what is asked for, and the least of what is not. */
export function termsToMint(
  request: ExecutionRequest,
  observed: readonly ObservedSubject[],
  { clock, gate }: Pick<DecisionInput, 'clock' | 'gate'>,
): Resolution {
  const reasons: Reason[] = []
  const exceeded = (message: string, at: string) => reasons.push(reason('SCOPE_EXCEEDED', message, at))
  const { user, env, children } = request
  if (user !== null && user !== 'own' && (user.uid === 0 || user.gid === 0 || user.groups.includes(0))) {
    exceeded('nothing runs as root', 'request.user')
  }
  for (const { name } of env ?? []) {
    if (LOADER_VARIABLES.test(name)) exceeded(`${name} is set only if an authority signed it`, 'request.env')
  }
  if (children) exceeded('a minted artifact has no children', 'request.children')
  const digests = new Map(observed.map(item => [item.path, 'sha256' in item ? item.sha256 : '']))
  const [program, ...files] = subjectsToMint(request).map(({ path }) => ({
    path,
    sha256: digests.get(path) ?? '',
  }))
  if (program === undefined || reasons.length > 0) return { reasons, terms: null }
  return {
    reasons,
    terms: {
      program,
      files: files.map(file => ({ ...file, role: 'other' as const })),
      argv: request.argv ?? [request.program],
      env: (env ?? []).toSorted((a, b) => (a.name < b.name ? -1 : 1)),
      cwd: request.cwd ?? '/',
      user: user ?? 'own',
      stdio: request.stdio ?? { stdin: 'pipe', stdout: 'pipe', stderr: 'pipe' },
      sandbox: {
        network: request.sandbox.network ?? 'none',
        writable: request.sandbox.writable ?? [],
      },
      limits: request.limits,
      devices: request.devices ?? [],
      children: 'none',
      onLapse: 'kill',
      maxEvidenceAgeMs: null,
      notAfter: new Date(Date.parse(clock.now) + (gate.deadlineInMs ?? 0)).toISOString(),
    },
  }
}

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
    audience: { hosts: [host.id] },
    validity: { notBefore: clock.now, notAfter: terms.notAfter, maxUses: 1 },
    initiator: { uids: [caller.uid], units: caller.unit === null ? 'any' : [caller.unit] },
    scope: exactScope(terms, names),
    environment: {
      referenceValues: gate.referenceValuesDigest ?? 'any',
      maxEvidenceAge: 'any',
      simulated: gate.tier === 'hardware' ? 'deny' : 'allow',
    },
    policy: { digest: policy.digest },
    parent: { execution: caller.parentExecution ?? 'none' },
    onLapse: 'kill',
  }
  return issueArtifact(subjects, predicate, [key])
}
