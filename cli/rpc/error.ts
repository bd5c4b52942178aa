import { statSync } from 'node:fs'
import { type CallError, StartFailedError } from '../../proto/client.ts'
import type { ReasonName } from '../../proto/error-details.ts'
import { CliError } from '../error.ts'

/** What helps, by a reason's code. The first reason that has advice gives it. */
const ADVICE: Partial<Record<ReasonName, string>> = {
  ARTIFACT_MISSING: 'Give --artifact FILE; `writ issue --help` shows how one is made.',
  ARTIFACT_MALFORMED: 'Issue the artifact again with `writ issue`.',
  ARTIFACT_EXPIRED: 'Ask the issuer for a new artifact.',
  ARTIFACT_NOT_YET_VALID: 'Wait, or ask the issuer for an artifact that is valid now.',
  SIGNATURE_INVALID: 'The artifact was changed after it was signed; get it again from its issuer.',
  SIGNER_UNTRUSTED: 'Sign with a key of the named authority; `writ key trust show` lists them.',
  THRESHOLD_NOT_MET:
    'More keys of the authority have to sign: `writ issue --key` can be given several times.',
  POLICY_MISMATCH: '`writ status` shows the policy in force; issue the artifact for that digest.',
  REPLAYED: 'The artifact is used up; ask the issuer for a new one.',
  SUBJECT_MISMATCH: 'The file is not the one that was signed; restore it, or have the new one signed.',
  AUDIENCE_MISMATCH: 'The artifact names another host; `writ status` shows the id of this one.',
  SCOPE_EXCEEDED: 'Run exactly what was signed, or ask for an artifact that covers this.',
  ATTESTATION_STALE: '`writ status` shows whether and why the host is not attested now.',
  ATTESTATION_FAILED: '`writ status` shows what in the host’s evidence is not acceptable.',
  CAPACITY: 'Try again later, or ask the operator for a larger quota.',
  LINEAGE_UNAVAILABLE: 'The operator has to look at the disk of the daemon’s state directory.',
}

/** gRPC statuses that mean that what was sent is at fault. */
const WRONG_INPUT: ReadonlySet<string> = new Set(['INVALID_ARGUMENT', 'OUT_OF_RANGE'])

/** What a failed call means for the person at the terminal, and what to do next. */
export function explainCallError(error: CallError, socket: string): CliError {
  if (error instanceof StartFailedError) return notStarted(error)
  switch (error.code) {
    case 'DENIED':
      return denied(error)
    case 'UNAVAILABLE':
      return unreachable(socket, error)
    case 'DEADLINE_EXCEEDED':
      return new CliError('REQUEST_FAILED', 'the daemon did not answer in time', {
        cause: error,
        next: '`writ status` shows whether it answers at all.',
      })
    case 'UNIMPLEMENTED':
      return new CliError('REQUEST_FAILED', 'the daemon does not know this request', {
        cause: error,
        next: 'Is it of the same version? `writ status` and `writ --version` show both.',
      })
    default: {
      const code = error.faultCode ?? error.status
      return new CliError(
        WRONG_INPUT.has(error.status) ? 'USAGE' : 'REQUEST_FAILED',
        `the daemon refused: ${error.message} [${code}]`,
        { at: error.at, cause: error, detail: { cause: code }, next: NEXT[error.status] },
      )
    }
  }
}

const NEXT: Readonly<Record<string, string>> = {
  PERMISSION_DENIED: 'The configuration names the uids that may do this.',
  NOT_FOUND: 'Nothing of that name exists, or it belongs to another caller.',
}

function denied(error: CallError): CliError {
  const { reasons } = error
  return new CliError('DENIED', `denied: ${reasons.map(r => r.code).join(', ')}`, {
    cause: error,
    lines: reasons.map(r => `${r.code}: ${r.message}${r.at === undefined ? '' : ` (${r.at})`}`),
    next:
      reasons.map(r => ADVICE[r.code]).find(advice => advice !== undefined) ??
      (error.decisionIndex === null ? undefined : `\`writ explain ${error.decisionIndex}\` shows why.`),
    detail: { reasons, decisionIndex: error.decisionIndex },
  })
}

function notStarted(error: StartFailedError): CliError {
  const { executionId, end } = error
  const lines = [
    ...(executionId === null ? [] : [`execution ${executionId}`]),
    ...(end.confirmedDead ? [] : ['its end is not confirmed yet']),
  ]
  const change = 'Change what this names, in the request or on the host; the artifact was used'
  return new CliError('REQUEST_FAILED', `permitted, but not started: ${error.message}`, {
    cause: error,
    lines,
    next: executionId === null ? `${change}.` : `${change}: \`writ explain ${executionId}\`.`,
    detail: { cause: String(end.cause).replace(/^END_CAUSE_/, ''), executionId },
  })
}

function unreachable(socket: string, cause: CallError): CliError {
  let found: string
  let next = 'Start writd, or name its socket with --socket or WRIT_SOCKET.'
  try {
    found = statSync(socket).isSocket() ? 'nothing answers there' : 'it is not a socket'
  } catch (error) {
    const forbidden = error instanceof Error && 'code' in error && error.code === 'EACCES'
    found = forbidden ? 'permission denied' : 'there is no such socket'
    if (forbidden) next = "Ask the operator for access to the socket's directory."
  }
  return new CliError('DAEMON_UNREACHABLE', `cannot reach writd at ${socket}: ${found}`, {
    at: socket,
    cause,
    next,
  })
}
