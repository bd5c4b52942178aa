import { getSystemErrorMap } from 'node:util'
import { ByteReader } from '../../encoding/byte-reader.ts'
import { LAUNCHER_STATUSES, LauncherError, SANDBOX_STEPS } from './error.ts'
import type {
  EndCause,
  KillOrder,
  LaunchEnded,
  LaunchOrder,
  ListedExecution,
  SubjectFormat,
} from './types.ts'

/** The messages of `native/shared/wire.h`, which says what each field means. Little-endian; sizes are asserted there. */

const MAGIC = 0x4c545257
const VERSION = 1
const HEADER_BYTES = 24
const ANSWER = 0x8000
/** `WIRE_NONE` and `WIRE_UID_ALLOCATE`. */
const NONE = 0xffff_ffff
const GROUPS_MAX = 16
const INTERPRETER_BYTES = 256
const CGROUP_BYTES = 256

export const MESSAGE = {
  hello: 1,
  openLog: 2,
  stage: 3,
  prepare: 4,
  start: 5,
  kill: 6,
  lapse: 7,
  abandon: 8,
  list: 9,
  killSent: 0x4001,
  ended: 0x4002,
} as const

const LOG_KINDS = { eventlog: 1, userspace: 2, ima: 3 } as const
const FORMATS: readonly SubjectFormat[] = ['data', 'elf-static', 'elf-dynamic', 'script']
const KILL_ORDERS: Readonly<Record<KillOrder, number>> = {
  TERMINATED: 64,
  REVOKED: 65,
  OUTPUT_LIMIT: 66,
  CALLER_GONE: 67,
  DAEMON: 68,
}
/** `enum wire_cause`. */
const CAUSES: readonly EndCause[] = [
  'NONE',
  'EXITED',
  'EPOCH',
  'LEASE',
  'EXPIRY',
  'RUN_TIME',
  'CPU_TIME',
  'PARENT',
  'LAUNCHER_STOP',
  'SUPERVISOR_LOST',
  'INIT_LOST',
  'SUPERSEDED',
  'ABANDONED',
  'NOT_STARTED',
  'LAPSE',
]

/** Bytes of one message, field by field. */
class Writer {
  readonly #parts: Buffer[] = []

  u32(value: number): this {
    const part = Buffer.alloc(4)
    part.writeUInt32LE(value)
    this.#parts.push(part)
    return this
  }
  u64(value: bigint): this {
    const part = Buffer.alloc(8)
    part.writeBigUInt64LE(value)
    this.#parts.push(part)
    return this
  }
  bytes(value: Buffer): this {
    this.#parts.push(value)
    return this
  }
  end(): Buffer {
    return Buffer.concat(this.#parts)
  }
}

/** A whole order: header and body. `request` comes back in the answer. */
export function encodeOrder(type: number, request: bigint, body: Buffer): Buffer {
  const header = Buffer.alloc(HEADER_BYTES)
  header.writeUInt32LE(MAGIC, 0)
  header.writeUInt16LE(VERSION, 4)
  header.writeUInt16LE(type, 6)
  header.writeBigUInt64LE(request, 8)
  header.writeUInt32LE(HEADER_BYTES + body.length, 16)
  return Buffer.concat([header, body])
}

/** An execution id: 32 lower-case hexadecimal digits. */
export function idBytes(id: string): Buffer {
  if (!/^[0-9a-f]{32}$/.test(id))
    throw new LauncherError('INVALID_ORDER', 'not an execution id', { at: 'executionId' })
  return Buffer.from(id, 'hex')
}

/** Strings one after another, each ended by a NUL, which none may contain. */
export function encodeStrings(strings: readonly string[]): Buffer {
  if (strings.some(text => text.includes('\0')))
    throw new LauncherError('INVALID_ORDER', 'a string contains a NUL')
  return Buffer.from(strings.map(text => `${text}\0`).join(''), 'utf8')
}

export const encodeOpenLog = (kind: keyof typeof LOG_KINDS): Buffer =>
  new Writer().u32(LOG_KINDS[kind]).u32(0).end()

/** `count` subjects of at most `maxBytes` each; the first is the program. `user` null: one of the launcher's own. */
export function encodeStage(
  id: string,
  count: number,
  maxBytes: bigint,
  user: { uid: number; gid: number } | null,
): Buffer {
  const writer = new Writer().bytes(idBytes(id))
  writer.u32(user?.uid ?? NONE).u32(user?.gid ?? NONE)
  writer.u32(count).u32(0)
  for (let i = 0; i < count; i++) writer.u64(maxBytes)
  return writer.end()
}

/** The body of a PREPARE and the strings that go with it. */
export function encodePrepare(order: LaunchOrder): { body: Buffer; strings: Buffer } {
  const { limits, stdio } = order
  const user = order.user === undefined || order.user === 'own' ? null : order.user
  const groups = order.groups ?? []
  if (groups.length > GROUPS_MAX) throw new LauncherError('GID_REFUSED', `more than ${GROUPS_MAX} groups`)
  const writer = new Writer()
    .bytes(idBytes(order.executionId))
    .bytes(order.parentExecution === null ? Buffer.alloc(16) : idBytes(order.parentExecution))
    .u64(order.epoch)
    .u64(order.expiryBootNs)
    .u64(order.maxEvidenceAgeNs)
    .u64(limit(limits.runTimeNs))
    .u64(limit(limits.cpuTimeNs))
    .u64(limit(limits.memoryBytes))
    .u64(limit(limits.addressSpaceBytes))
    .u64(limit(limits.fileBytes))
    .u32(Number(limit(limits.pids, NONE - 1)))
    .u32(Number(limit(limits.openFiles, NONE)))
    .u32(order.network === 'host' ? 1 : 0)
    .u32(
      (stdio.stdin === 'pipe' ? 1 : 0) |
        (stdio.stdout === 'pipe' ? 2 : 0) |
        (stdio.stderr === 'pipe' ? 4 : 0),
    )
    .u32(order.argv.length)
    .u32(order.env.length)
    .u32(order.writable.length)
    .u32(order.digests.length)
    .u32(groups.length)
  for (let i = 0; i < GROUPS_MAX; i++) writer.u32(groups[i] ?? 0)
  writer
    .u32(user?.uid ?? NONE)
    .u32(user?.gid ?? NONE)
    .u32(0)
  for (const digest of order.digests) {
    if (!/^[0-9a-f]{64}$/.test(digest))
      throw new LauncherError('INVALID_ORDER', 'not a SHA-256 digest', { at: 'digests' })
    writer.bytes(Buffer.from(digest, 'hex'))
  }
  return {
    body: writer.end(),
    strings: encodeStrings([...order.argv, ...order.env, ...order.writable, order.cwd]),
  }
}

/** Null and absent mean no limit, which is 0 on the wire; a limit of 0 does not exist there and is refused. */
function limit(
  value: bigint | number | null | undefined,
  most = 0xffff_ffff_ffff_ffffn as bigint | number,
): bigint {
  if (value === null || value === undefined) return 0n
  const number = BigInt(value)
  if (number <= 0n || number > BigInt(most))
    throw new LauncherError('LIMIT_UNENFORCEABLE', `a limit of ${value}`)
  return number
}

export const encodeStart = (id: string, epoch: bigint): Buffer =>
  new Writer().bytes(idBytes(id)).u64(epoch).end()
export const encodeKill = (id: string, order: KillOrder): Buffer =>
  new Writer().bytes(idBytes(id)).u32(KILL_ORDERS[order]).u32(0).end()
export const encodeLapse = (epoch: bigint): Buffer => new Writer().u64(epoch).end()
export const encodeList = (offset: number): Buffer => new Writer().u32(offset).u32(0).end()

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

/** `ENOENT` for 2; undefined for 0. */
export function errnoName(error: number): string | undefined {
  return error === 0 ? undefined : (getSystemErrorMap().get(-error)?.[0] ?? `errno ${error}`)
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

export function decodeHello(body: ByteReader): {
  landlockAbi: number
  controllers: string[]
  superseded: number
} {
  return checked(() => {
    const landlockAbi = body.u32le('landlockAbi')
    const bits = body.u32le('controllers')
    const superseded = body.u32le('superseded')
    body.u32le('zero')
    body.end()
    return {
      landlockAbi,
      controllers: ['memory', 'pids'].filter((_, i) => (bits & (1 << i)) !== 0),
      superseded,
    }
  })
}

const STATES = [
  'FREE',
  'STAGING',
  'STAGED',
  'PREPARING',
  'READY',
  'STARTING',
  'RUNNING',
  'ENDING',
  'DEAD',
] as const

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
      if (state === undefined) throw protocol('an unknown state')
      executions.push({ executionId, epoch, state, pid })
    }
    body.end()
    return { total, executions }
  })
}

export function decodeKillSent(body: ByteReader): { executionId: string; bootNs: bigint; cause: EndCause } {
  return checked(() => {
    const executionId = body.bytes(16, 'id').toString('hex')
    const bootNs = body.u64le('bootNs')
    const cause = causeOf(body.u32le('cause'))
    body.u32le('zero')
    body.end()
    return { executionId, bootNs, cause }
  })
}

export function decodeEnded(body: ByteReader): LaunchEnded {
  return checked(() => {
    const executionId = body.bytes(16, 'id').toString('hex')
    const bootNs = body.u64le('bootNs')
    const cause = causeOf(body.u32le('cause'))
    const exitCode = body.bytes(4, 'exitCode').readInt32LE()
    const signal = body.u32le('signal')
    body.u32le('zero')
    const rusage = {
      userUs: Number(body.u64le('userUs')),
      systemUs: Number(body.u64le('systemUs')),
      maxRssKib: Number(body.u64le('maxRssKib')),
    }
    body.end()
    return {
      executionId,
      bootNs,
      cause,
      exitCode: exitCode < 0 ? null : exitCode,
      signal: signal === 0 ? null : signal,
      rusage,
      confirmedDead: true,
    }
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
