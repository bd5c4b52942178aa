import { isEventType } from '../../lineage/index.ts'
import type { TerminalSize as TerminalSizeMessage } from '../../proto/generated/writ/v1/TerminalSize.ts'
import type { Workload } from '../../proto/generated/writ/v1/Workload.ts'
import type { PassedSignal, StdioMode, TerminalSize, WorkloadRequest } from '../core.ts'
import { SIGNALS } from '../launcher/wire.ts'
import { RequestError } from './errors.ts'

/** All of it comes from the caller. @throws RequestError `REQUEST_MALFORMED` with the field in `at` */
export function workloadOf(message: Workload | null | undefined): WorkloadRequest {
  if (message === null || message === undefined) throw malformed('workload', 'is missing')
  const { sandbox, limits } = message
  return {
    program: message.program,
    argv: orNull(message.argv),
    env: orNull(
      Object.entries(message.env)
        .map(([name, value]) => ({ name, value }))
        .sort((a, b) => (a.name < b.name ? -1 : 1)),
    ),
    cwd: message.cwd === '' ? null : message.cwd,
    user: message.user ? { uid: message.user.uid, gid: message.user.gid, groups: message.user.groups } : null,
    stdio: stdioOf(message.stdio),
    sandbox: {
      network: networkOf(sandbox?.network),
      seccomp: profileOf(sandbox?.seccomp),
      writable: orNull(sandbox?.writable ?? []),
    },
    limits: {
      runTimeMs: integerOf(limits?.runTimeMs, 'workload.limits.run_time_ms'),
      memoryBytes: integerOf(limits?.memoryBytes, 'workload.limits.memory_bytes'),
      pids: limits?.pids ?? null,
      cpuSeconds: integerOf(limits?.cpuSeconds, 'workload.limits.cpu_seconds'),
      openFiles: limits?.openFiles ?? null,
      outputBytes: integerOf(limits?.outputBytes, 'workload.limits.output_bytes'),
      cpuPercent: limits?.cpuPercent ?? null,
      fileBytes: integerOf(limits?.fileBytes, 'workload.limits.file_bytes'),
    },
    devices: orNull(sandbox?.devices ?? []),
    children: message.children,
    detach: message.detach,
    files: message.files,
  }
}

/** An execution's id. @throws RequestError */
export function executionIdOf(text: string): string {
  if (!/^[0-9a-f]{32}$/.test(text)) throw malformed('execution_id', 'is not 32 lower-case hexadecimal digits')
  return text
}

/** A SHA-256 digest in hexadecimal. @throws RequestError */
export function digestOf(text: string): string {
  if (!/^[0-9a-f]{64}$/.test(text)) throw malformed('digest', 'is not 64 lower-case hexadecimal digits')
  return text
}

/** Most types of entries in one request: more than there are. */
const MAX_TYPES = 64

/** Types of entries. @throws RequestError */
export function eventTypesOf(types: readonly string[]): ReadonlySet<string> {
  if (types.length > MAX_TYPES) throw malformed('types', `are more than ${MAX_TYPES}`)
  for (const type of types) if (!isEventType(type)) throw malformed('types', 'has one that no entry is of')
  return new Set(types)
}

/** An instant in milliseconds since the epoch; null if there is none. @throws RequestError */
export function instantOf(text: string, field: string): number | null {
  if (text === '') return null
  const ms = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(ms)) throw malformed(field, 'is not a time in UTC with milliseconds (RFC 3339)')
  return ms
}

/** Bytes of an artifact or another envelope; null if there are none. */
export function envelopeOf(bytes: Buffer): Buffer | null {
  return bytes.length === 0 ? null : bytes
}

/** Bytes of an envelope that has to be there. @throws RequestError */
export function requiredEnvelope(bytes: Buffer): Buffer {
  if (bytes.length === 0) throw malformed('envelope', 'is empty')
  return bytes
}

export function malformed(field: string, what: string): RequestError {
  return new RequestError('REQUEST_MALFORMED', `${field} ${what}`, { at: field })
}

function orNull<T>(list: T[]): T[] | null {
  return list.length === 0 ? null : list
}

/** A uint64 in decimal, as proto-loader gives it. Beyond 2^53-1 a canonical document could not hold it. */
function integerOf(text: string | undefined, field: string): number | null {
  if (text === undefined) return null
  const value = Number(text)
  if (!Number.isSafeInteger(value)) throw malformed(field, 'is beyond 2^53-1')
  return value
}

/** proto-loader gives a number for an enum value that has no name. */
function networkOf(value: string | undefined): WorkloadRequest['sandbox']['network'] {
  if (value === undefined || value === 'NETWORK_UNSPECIFIED') return null
  if (value === 'NETWORK_NONE') return 'none'
  if (value === 'NETWORK_HOST') return 'host'
  if (value === 'NETWORK_LOOPBACK') return 'loopback'
  throw malformed('workload.sandbox.network', 'is not known')
}

function profileOf(value: string | undefined): WorkloadRequest['sandbox']['seccomp'] {
  if (value === undefined || value === 'SECCOMP_UNSPECIFIED') return null
  if (value === 'SECCOMP_DEFAULT') return 'default'
  if (value === 'SECCOMP_STRICT') return 'strict'
  throw malformed('workload.sandbox.seccomp', 'is not known')
}

/** The size of a terminal. @throws RequestError */
export function terminalSizeOf(message: TerminalSizeMessage | null, field: string): TerminalSize {
  const { rows = 0, columns = 0 } = message ?? {}
  // What TIOCSWINSZ takes (ioctl_tty(2)); nothing can be shown on a terminal without room.
  for (const [name, value] of Object.entries({ rows, columns }))
    if (value < 1 || value > 0xffff) throw malformed(`${field}.${name}`, 'is not from 1 to 65535')
  return { rows, columns }
}

/** A signal by its name here. @throws RequestError */
export function signalOf(value: string): PassedSignal {
  const name = String(value).replace(/^SIGNAL_/, 'SIG')
  if (Object.hasOwn(SIGNALS, name)) return name as PassedSignal
  throw malformed('signal', 'is not one that may be sent')
}

/** @throws RequestError */
export function outputStreamOf(value: string): 'stdout' | 'stderr' {
  if (value === 'OUTPUT_STREAM_STDOUT') return 'stdout'
  if (value === 'OUTPUT_STREAM_STDERR') return 'stderr'
  throw malformed('stream', 'is not known')
}

function stdioOf(message: Workload['stdio']): WorkloadRequest['stdio'] {
  if (!message) return null
  return {
    stdin: modeOf(message.stdin, 'stdin'),
    stdout: modeOf(message.stdout, 'stdout'),
    stderr: modeOf(message.stderr, 'stderr'),
  }
}

function modeOf(value: string, stream: string): StdioMode {
  if (value === 'STREAM_MODE_PIPE') return 'pipe'
  if (value === 'STREAM_MODE_NULL') return 'null'
  if (value === 'STREAM_MODE_TERMINAL') return 'terminal'
  throw malformed(`workload.stdio.${stream}`, 'has to be said if one of the three is')
}
