import { constants } from 'node:os'
import { ByteReader } from '../../encoding/byte-reader.ts'
import { LAUNCHER_STATUSES, LauncherError, SANDBOX_STEPS } from './error.ts'
import type {
  CallerProgram,
  EndCause,
  KillOrder,
  LaunchEnded,
  LauncherFeatures,
  ListedExecution,
  SubjectFormat,
} from './types.ts'
import {
  ANSWER,
  CAUSES,
  CGROUP_BYTES,
  CONTROLLERS,
  DEVICE_NAME_BYTES,
  DEVICES_MAX,
  FEATURES,
  FORMATS,
  INTERPRETER_BYTES,
  KILL_ORDERS,
  MAGIC,
  NONE,
  STATES,
  STREAMS,
  VERSION,
} from './wire.ts'

export interface Message {
  readonly type: number
  readonly isAnswer: boolean
  readonly request: bigint
  readonly status: number
  readonly body: ByteReader
}

/** The header of a message from the launcher, and its body. Anything else than what it may send is `PROTOCOL`. */
export function decodeMessage(bytes: Buffer): Message {
  return checked(() => {
    const reader = new ByteReader(bytes, 'launcher message')
    const [magic, version] = [reader.u32le('magic'), reader.u16le('version')]
    const type = reader.u16le('type')
    const request = reader.u64le('request')
    const length = reader.u32le('length')
    const status = reader.u32le('status')
    if (magic !== MAGIC || version !== VERSION || length !== bytes.length)
      throw protocol('not a message of this version')
    return { type: type & ~ANSWER, isAnswer: (type & ANSWER) !== 0, request, status, body: reader }
  })
}

/** The error that an answer with another status than OK stands for. */
export function decodeFailure({ status, body }: Message, what: string): LauncherError {
  return checked(() => {
    const error = body.bytes(4, 'error').readInt32LE()
    const index = body.u32le('index')
    body.end()
    const code = LAUNCHER_STATUSES[status]
    if (code === undefined || code === 'OK') throw protocol(`status ${status}`)
    const step = code === 'SANDBOX_FAILED' ? SANDBOX_STEPS[index] : undefined
    const details = [step, errnoName(error)].filter(text => text !== undefined).join(': ')
    return new LauncherError(code, `${what}: ${code}${details === '' ? '' : ` (${details})`}`, {
      errno: error === 0 ? null : error,
      index: index === NONE || step !== undefined ? null : index,
      at: step,
    })
  })
}

const ERRNO_NAMES = new Map(
  Object.entries(constants.errno)
    .toReversed()
    .map(([name, number]) => [number, name]),
)

/** The body of an answer that says nothing more. @throws LauncherError */
export function decodeEmpty({ body }: Message): void {
  body.end()
}

/** `ENOENT` for 2; undefined for 0. */
export function errnoName(error: number): string | undefined {
  return error === 0 ? undefined : (ERRNO_NAMES.get(error) ?? `errno ${error}`)
}

export interface StagedAnswer {
  readonly uid: number
  readonly subjects: {
    readonly code: (typeof LAUNCHER_STATUSES)[number]
    readonly errno: number
    readonly sha256: string
    readonly size: number
    readonly format: SubjectFormat
    readonly interpreter: string | null
  }[]
}

export function decodeStaged(body: ByteReader): StagedAnswer {
  return checked(() => {
    const count = body.u32le('count')
    const uid = body.u32le('uid')
    const subjects: StagedAnswer['subjects'][number][] = []
    for (let i = 0; i < count; i++) {
      const sha256 = body.bytes(32, 'digest').toString('hex')
      const size = Number(body.u64le('size'))
      const code = LAUNCHER_STATUSES[body.u32le('status')]
      const errno = body.bytes(4, 'error').readInt32LE()
      const format = FORMATS[body.u32le('format')]
      body.u32le('zero')
      const interpreter = text(body.bytes(INTERPRETER_BYTES, 'interpreter'))
      if (code === undefined || format === undefined) throw protocol('an unknown status or format')
      subjects.push({
        code,
        errno,
        sha256,
        size,
        format,
        interpreter: interpreter === '' ? null : interpreter,
      })
    }
    body.end()
    return { uid, subjects }
  })
}

export function decodeCaller(body: ByteReader): CallerProgram {
  return checked(() => {
    const sha256 = body.bytes(32, 'digest').toString('hex')
    const size = Number(body.u64le('size'))
    body.end()
    return { sha256, size }
  })
}

export function decodePrepared(body: ByteReader): { pid: number; uid: number; cgroup: string } {
  return checked(() => {
    const prepared = {
      pid: body.u32le('pid'),
      uid: body.u32le('uid'),
      cgroup: text(body.bytes(CGROUP_BYTES, 'cgroup')),
    }
    body.end()
    return prepared
  })
}

/** Which streams' descriptors come along, in the order stdin, stdout, stderr, or the terminal alone. */
export type StreamBits = { readonly [stream in keyof typeof STREAMS]: boolean }

function streamBits(bits: number): StreamBits {
  const { stdin, stdout, stderr, terminal } = STREAMS
  if (bits > terminal || (bits > (stdin | stdout | stderr) && bits !== terminal))
    throw protocol(`streams ${bits}`)
  return {
    stdin: (bits & stdin) !== 0,
    stdout: (bits & stdout) !== 0,
    stderr: (bits & stderr) !== 0,
    terminal: (bits & terminal) !== 0,
  }
}

export function decodeAdopted(body: ByteReader): {
  streams: StreamBits
  socket: boolean
  pid: number
  uid: number
  noted: number
  cgroup: string
} {
  return checked(() => {
    const streams = streamBits(body.u32le('streams'))
    const socket = body.u32le('socket')
    if (socket > 1) throw protocol('more than one socket')
    const pid = body.u32le('pid')
    const uid = body.u32le('uid')
    const noted = Number(body.u64le('noted'))
    const cgroup = text(body.bytes(CGROUP_BYTES, 'cgroup'))
    body.end()
    return { noted, streams, socket: socket === 1, pid, uid, cgroup }
  })
}

export function decodeHello(body: ByteReader): LauncherFeatures {
  return checked(() => {
    const landlockAbi = body.u32le('landlockAbi')
    const bits = body.u32le('controllers')
    const superseded = body.u32le('superseded')
    const features = body.u32le('features')
    const count = body.u32le('deviceCount')
    const kept = body.u32le('kept')
    if (count > DEVICES_MAX) throw protocol('too many classes of devices')
    const devices = Array.from({ length: count }, () => text(body.bytes(DEVICE_NAME_BYTES, 'device')))
    body.end()
    return {
      landlockAbi,
      controllers: CONTROLLERS.filter((_, i) => (bits & (1 << i)) !== 0),
      superseded,
      kept,
      features: FEATURES.filter((_, i) => (features & (1 << i)) !== 0),
      devices,
    }
  })
}

export function decodeList(body: ByteReader): { total: number; executions: ListedExecution[] } {
  return checked(() => {
    const total = body.u32le('total')
    const count = body.u32le('count')
    const executions: ListedExecution[] = []
    for (let i = 0; i < count; i++) {
      const executionId = body.bytes(16, 'id').toString('hex')
      const epoch = body.u64le('epoch')
      const state = STATES[body.u32le('state')]
      const pid = body.u32le('pid')
      const order = body.bytes(32, 'order').toString('hex')
      if (state === undefined) throw protocol('an unknown state')
      executions.push({ executionId, epoch, state, pid, order })
    }
    body.end()
    return { total, executions }
  })
}

/** A KILL_SENT or a HELD: which execution, when, and why. */
export function decodeStopped(body: ByteReader): { executionId: string; bootNs: bigint; cause: EndCause } {
  return checked(() => {
    const executionId = body.bytes(16, 'id').toString('hex')
    const bootNs = body.u64le('bootNs')
    const cause = causeOf(body.u32le('cause'))
    body.u32le('zero')
    body.end()
    return { executionId, bootNs, cause }
  })
}

/** The end, and which streams come along with it. */
export function decodeEnded(body: ByteReader): { ended: LaunchEnded; streams: StreamBits } {
  return checked(() => {
    const executionId = body.bytes(16, 'id').toString('hex')
    const bootNs = body.u64le('bootNs')
    const cause = causeOf(body.u32le('cause'))
    const exitCode = body.bytes(4, 'exitCode').readInt32LE()
    const signal = body.u32le('signal')
    const streams = streamBits(body.u32le('streams'))
    const rusage = {
      userUs: Number(body.u64le('userUs')),
      systemUs: Number(body.u64le('systemUs')),
      maxRssKib: Number(body.u64le('maxRssKib')),
    }
    body.end()
    const ended: LaunchEnded = {
      executionId,
      bootNs,
      cause,
      exitCode: exitCode < 0 ? null : exitCode,
      signal: signal === 0 ? null : signal,
      rusage,
      confirmedDead: true,
    }
    return { ended, streams }
  })
}

function causeOf(code: number): EndCause {
  const ordered = Object.entries(KILL_ORDERS).find(([, number]) => number === code)
  const cause = ordered === undefined ? CAUSES[code] : (ordered[0] as KillOrder)
  if (cause === undefined) throw protocol(`cause ${code}`)
  return cause
}

function text(bytes: Buffer): string {
  const end = bytes.indexOf(0)
  return bytes.toString('utf8', 0, end < 0 ? bytes.length : end)
}

function protocol(message: string): LauncherError {
  return new LauncherError('PROTOCOL', `the launcher sent ${message}`)
}

/** A message that is too short or too long is one that this version does not understand. */
function checked<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof LauncherError) throw error
    throw new LauncherError('PROTOCOL', 'the launcher sent a malformed message', { cause: error })
  }
}
