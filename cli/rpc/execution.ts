import type { ExecuteStarted } from '../../proto/generated/writ/v1/ExecuteStarted.ts'
import type { Execution } from '../../proto/generated/writ/v1/Execution.ts'
import type { ExecutionEnd } from '../../proto/generated/writ/v1/ExecutionEnd.ts'
import { EXIT, type ExitStatus } from '../error.ts'

/** The JSON form of how an execution started. */
export const EXECUTION_START = {
  executionId: 'hex',
  decisionIndex: 'decimal',
  artifactDigest: 'digest',
  epoch: 'decimal',
} as const

/** The JSON form of how an execution ended. */
export const EXECUTION_END = {
  cause: 'text: EXIT, TERMINATED, REVOKED, …',
  'exitCode?': 'number: of its first process, if it exited',
  'signal?': 'number: that ended its first process, if one did',
  confirmedDead: 'boolean',
  time: 'time',
  'killMs?': 'number: from the order to end it until every process was dead',
  userUs: 'decimal: processor time in user mode, in microseconds',
  systemUs: 'decimal: processor time in the kernel, in microseconds',
  memoryPeakBytes: 'decimal',
  message: 'text',
} as const

/** The JSON form of an execution. */
export const EXECUTION = {
  executionId: 'hex',
  state: 'text: PREPARING, RUNNING, FROZEN, KEPT, ENDING or ENDED',
  callerUid: 'number: who asked for it',
  program: 'text',
  argv: ['text'],
  artifactDigest: 'digest',
  issuer: 'text',
  parentExecutionId: 'hex: empty if it has none',
  uid: 'number: the user that it runs as',
  epoch: 'decimal: of the trust gate, when it started',
  decisionIndex: 'decimal: position of its permit in the lineage',
  permittedTime: 'time',
  startedTime: 'time: empty before it has started',
  pid: 'number: 0 before it has one',
  'end|null': EXECUTION_END,
} as const

/** Values of an enum as the command line says them: without the prefix that the API's definitions give them. */
const withoutPrefix = (value: unknown, prefix: string) => String(value).replace(prefix, '')

/** How an execution ended, in its JSON form. */
export function shownEnd(end: ExecutionEnd) {
  const { exitCode, signal, killMs } = end
  return {
    cause: withoutPrefix(end.cause, 'END_CAUSE_'),
    ...(exitCode === undefined ? {} : { exitCode }),
    ...(signal === undefined ? {} : { signal }),
    confirmedDead: end.confirmedDead,
    time: end.time,
    ...(killMs === undefined ? {} : { killMs: Number(killMs) }),
    userUs: end.userUs,
    systemUs: end.systemUs,
    memoryPeakBytes: end.memoryPeakBytes,
    message: end.message,
  }
}

/** An execution in its JSON form. */
export function shownExecution(execution: Execution) {
  const { executionId, callerUid, program, argv, artifactDigest, issuer, parentExecutionId, uid } = execution
  const { epoch, decisionIndex, permittedTime, startedTime, pid, end } = execution
  return {
    executionId,
    state: withoutPrefix(execution.state, 'EXECUTION_STATE_'),
    ...{ callerUid, program, argv, artifactDigest, issuer, parentExecutionId, uid },
    ...{ epoch, decisionIndex, permittedTime, startedTime, pid },
    end: end === null ? null : shownEnd(end),
  }
}

export type ShownExecution = ReturnType<typeof shownExecution>
export type ShownEnd = ReturnType<typeof shownEnd>

/** That an execution has started, in its JSON form. */
export function shownStart({ executionId, decisionIndex, artifactDigest, epoch }: ExecuteStarted) {
  return { executionId, decisionIndex, artifactDigest, epoch }
}

/** What a person is told of an end: how, and why if it was not by itself. */
export function endText({ cause, exitCode, signal, confirmedDead, message }: ShownEnd): string {
  const how = exitCode !== undefined ? `exit ${exitCode}` : signal !== undefined ? `signal ${signal}` : ''
  return [
    cause === 'EXIT' && how !== '' ? how : cause,
    ...(cause === 'EXIT' || how === '' ? [] : [how]),
    ...(message === '' ? [] : [message]),
    ...(confirmedDead ? [] : ['its end is not confirmed yet']),
  ].join(', ')
}

/** The program's status as a shell gives it: its own, or 128 and the number of the signal that ended it. */
export function exitStatusOf(ended: ExecutionEnd): ExitStatus {
  if (ended.exitCode !== undefined) return ended.exitCode
  return ended.signal === undefined ? EXIT.refused : 128 + ended.signal
}
