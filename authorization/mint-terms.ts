import type { DecisionInput } from './input.ts'
import { type Reason, reason } from './reason.ts'
import type { ExecutionRequest, ObservedSubject } from './request.ts'
import { LOADER_VARIABLES, type Resolution, type SubjectToOpen } from './scope.ts'

/** What to open for a request that has no artifact and asks for one. */
export function subjectsToMint(request: ExecutionRequest): SubjectToOpen[] {
  return [
    { path: request.program, name: 'program', kind: 'file', sha256: null },
    ...request.files
      .filter(path => path !== request.program)
      .map((path, i) => ({ path, name: `file-${i + 1}`, kind: 'file' as const, sha256: null })),
  ]
}

/**
 * How much earlier than the evidence a minted artifact ends. Its end is on the wall clock and that of the evidence on the boot clock, each
 * cut to milliseconds at two instants: without a margin it would look, at times, as if it outlived the evidence.
 */
const CLOCK_MARGIN_MS = 100

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
  if (request.detach) exceeded('that it outlives its call has to be signed by an authority', 'request.detach')
  if (request.stdio?.stdin === 'terminal')
    exceeded('a terminal has to be signed by an authority', 'request.stdio')
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
        seccomp: request.sandbox.seccomp ?? 'default',
        writable: request.sandbox.writable ?? [],
      },
      limits: request.limits,
      devices: request.devices ?? [],
      detach: false,
      children: 'none',
      onLapse: 'kill',
      maxEvidenceAgeMs: null,
      notAfter: new Date(
        Date.parse(clock.now) + Math.max(1, (gate.deadlineInMs ?? 0) - CLOCK_MARGIN_MS),
      ).toISOString(),
    },
  }
}
