import { LauncherError } from './error.ts'
import type {
  AdoptedDeadlines,
  CallingProcess,
  KillOrder,
  LaunchOrder,
  OpenDescriptors,
  PassedSignal,
  SubjectKind,
} from './types.ts'
import {
  DEVICES_MAX,
  GROUPS_MAX,
  HEADER_BYTES,
  KILL_ORDERS,
  KINDS,
  LOG_KINDS,
  MAGIC,
  NETWORKS,
  NONE,
  PROFILES,
  SECRETS_MAX,
  SIGNALS,
  STREAMS,
  VERSION,
} from './wire.ts'

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

/** Subjects of these kinds, of at most `maxBytes` each; the first is the program. `user` null: one of the launcher's own. */
export function encodeStage(
  id: string,
  kinds: readonly SubjectKind[],
  maxBytes: bigint,
  user: { uid: number; gid: number } | null,
): Buffer {
  const writer = new Writer().bytes(idBytes(id))
  writer.u32(user?.uid ?? NONE).u32(user?.gid ?? NONE)
  writer.u32(kinds.length).u32(0)
  for (const kind of kinds) writer.u64(maxBytes).u32(KINDS[kind]).u32(0)
  return writer.end()
}

/** The body of a PREPARE and the strings that go with it. */
export function encodePrepare(order: LaunchOrder): { body: Buffer; strings: Buffer } {
  const { limits, stdio } = order
  const user = order.user === undefined || order.user === 'own' ? null : order.user
  const groups = order.groups ?? []
  const devices = order.devices ?? []
  const secrets = order.secrets ?? []
  if (secrets.length > SECRETS_MAX)
    throw new LauncherError('SECRET_REFUSED', `more than ${SECRETS_MAX} secrets`)
  if (groups.length > GROUPS_MAX) throw new LauncherError('GID_REFUSED', `more than ${GROUPS_MAX} groups`)
  if (devices.length > DEVICES_MAX)
    throw new LauncherError('DEVICE_REFUSED', `more than ${DEVICES_MAX} classes of devices`)
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
    .u64(limit(order.graceNs))
    .u32(Number(limit(limits.pids, NONE - 1)))
    .u32(Number(limit(limits.openFiles, NONE)))
    .u32(NETWORKS[order.network])
    .u32(stdioBits(stdio))
    .u32(order.argv.length)
    .u32(order.env.length)
    .u32(order.writable.length)
    .u32(order.digests.length)
    .u32(groups.length)
  for (let i = 0; i < GROUPS_MAX; i++) writer.u32(groups[i] ?? 0)
  writer
    .u32(user?.uid ?? NONE)
    .u32(user?.gid ?? NONE)
    .u32(PROFILES[order.seccomp ?? 'default'])
    .u32(Number(limit(limits.cpuPercent, NONE)))
    .u32(devices.length)
    .u32(order.children === true ? 1 : 0)
    .u32(secrets.length)
  for (let i = 0; i < SECRETS_MAX; i++) writer.u32(secrets[i]?.descriptor ?? 0)
  for (const digest of order.digests) {
    if (!/^[0-9a-f]{64}$/.test(digest))
      throw new LauncherError('INVALID_ORDER', 'not a SHA-256 digest', { at: 'digests' })
    writer.bytes(Buffer.from(digest, 'hex'))
  }
  return {
    body: writer.end(),
    strings: encodeStrings([...order.argv, ...order.env, ...order.writable, ...devices, order.cwd]),
  }
}

/** `enum wire_stdio`. */
function stdioBits(stdio: LaunchOrder['stdio']): number {
  if (stdio === 'terminal') return 8
  const { stdin, stdout, stderr } = stdio
  return (stdin === 'pipe' ? 1 : 0) | (stdout === 'pipe' ? 2 : 0) | (stderr === 'pipe' ? 4 : 0)
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
export const encodeLapse = (epoch: bigint, hold: boolean): Buffer =>
  new Writer()
    .u64(epoch)
    .u32(hold ? 1 : 0)
    .u32(0)
    .end()
export const encodeThaw = (id: string, epoch: bigint): Buffer =>
  new Writer().bytes(idBytes(id)).u64(epoch).end()
export const encodeSignal = (id: string, signal: PassedSignal): Buffer =>
  new Writer().bytes(idBytes(id)).u32(SIGNALS[signal]).u32(0).end()
export const encodeCaller = ({ uid, gid, pid }: CallingProcess): Buffer =>
  new Writer().u32(uid).u32(gid).u32(pid).u32(0).end()
export const encodeList = (offset: number): Buffer => new Writer().u32(offset).u32(0).end()
export const encodeAdopt = (
  id: string,
  epoch: bigint,
  { expiryBootNs, maxEvidenceAgeNs }: AdoptedDeadlines,
): Buffer => new Writer().bytes(idBytes(id)).u64(epoch).u64(expiryBootNs).u64(maxEvidenceAgeNs).end()

export const encodeNote = (id: string, number: bigint): Buffer =>
  new Writer().bytes(idBytes(id)).u64(number).end()

/** The body of a KEEP and the descriptors that go with it, in their order. */
export function encodeKeep(id: string, open: OpenDescriptors): { body: Buffer; descriptors: number[] } {
  const streams = Object.entries(STREAMS).map(([name, bit]) => ({
    bit,
    fd: open[name as keyof typeof STREAMS] ?? null,
  }))
  const there = streams.filter(({ fd }) => fd !== null)
  const socket = open.socket ?? null
  const body = new Writer()
    .bytes(idBytes(id))
    .u32(there.reduce((bits, { bit }) => bits | bit, 0))
    .u32(socket === null ? 0 : 1)
    .end()
  return { body, descriptors: [...there.map(({ fd }) => fd), socket].filter(fd => fd !== null) }
}
