import { EventEmitter } from 'node:events'
import { closeSync } from 'node:fs'
import { type LeasePage, SeqpacketChannel, sealedMemfd } from '../native.ts'
import {
  decodeEmpty,
  decodeEnded,
  decodeFailure,
  decodeHello,
  decodeList,
  decodeMessage,
  decodePrepared,
  decodeStaged,
  decodeStopped,
  errnoName,
  type Message,
} from './decode.ts'
import {
  encodeKill,
  encodeLapse,
  encodeList,
  encodeOpenLog,
  encodeOrder,
  encodePrepare,
  encodeSignal,
  encodeStage,
  encodeStart,
  encodeStrings,
  encodeThaw,
  idBytes,
} from './encode.ts'
import { LauncherError } from './error.ts'
import { exactly, openStreams, splitSocket } from './streams.ts'
import type {
  KillOrder,
  LaunchEnded,
  LauncherEvents,
  LauncherFeatures,
  LaunchOrder,
  ListedExecution,
  PassedSignal,
  Prepared,
  StagedSubject,
  SubjectPath,
} from './types.ts'
import { WITHOUT_PROCESSES } from './types.ts'
import { MESSAGE } from './wire.ts'

export type { LaunchEnded, LaunchOrder, Prepared, StagedSubject } from './types.ts'

/** Subjects are bounded together by the launcher's `max_staged_bytes`; each for itself only by what a file can be. */
const MAX_SUBJECT_BYTES = 1n << 40n
const ENOENT = 2

interface Waiting {
  readonly what: string
  /** Reads the answer and resolves, in the turn in which it came: before any event that follows it. */
  accept(message: Message, descriptors: number[]): void
  reject(error: LauncherError): void
}

/**
 * `writd`'s side of the launcher's socket. Orders are answered in any order; each promise rejects with a
 * {@link LauncherError}. Nothing blocks, and a KILL or LAPSE is on its way when the call returns.
 */
export class LauncherClient extends EventEmitter<LauncherEvents> {
  readonly #channel: SeqpacketChannel
  readonly #waiting = new Map<bigint, Waiting>()
  /** Executions that may have processes. */
  readonly #live = new Set<string>()
  /** Streams and sockets of executions that have not been started. */
  readonly #streams = new Map<string, { destroy(): unknown }[]>()
  #next = 1n
  #over: LauncherError | null = null
  #connected = false
  /** Ends that happened while no `writd` was connected, or during {@link connect}, when nobody could listen yet. */
  readonly earlierEnds: LaunchEnded[] = []
  #features: LauncherFeatures = {
    landlockAbi: 0,
    controllers: [],
    superseded: 0,
    features: [],
    devices: [],
  }

  private constructor(socketPath: string) {
    super()
    this.#channel = new SeqpacketChannel(socketPath, {
      message: (bytes, descriptors) => this.#receive(bytes, descriptors),
      end: error =>
        this.#end(new LauncherError('DISCONNECTED', `the launcher is gone${error ? ` (${error})` : ''}`)),
    })
  }

  /**
   * Connects and hands over the lease page. Executions of an earlier page are killed by the launcher; {@link knows} says
   * which of them are not dead yet.
   *
   * @throws LauncherError `UNREACHABLE` when nobody listens or this process may not connect, or the launcher's refusal
   */
  static async connect(socketPath: string, page: LeasePage): Promise<LauncherClient> {
    let client: LauncherClient
    try {
      client = new LauncherClient(socketPath)
    } catch (cause) {
      throw new LauncherError('UNREACHABLE', `no launcher at ${socketPath}: ${(cause as Error).message}`, {
        cause,
      })
    }
    try {
      client.#features = await client.order(
        'HELLO',
        MESSAGE.hello,
        Buffer.alloc(0),
        ({ body }) => decodeHello(body),
        {
          descriptors: [page.fd],
        },
      )
      await client.list()
      client.#connected = true
      return client
    } catch (error) {
      client.close()
      throw error
    }
  }

  get features(): LauncherFeatures {
    return this.#features
  }

  /** Opens a measurement log of this host; null when it has none. The caller closes the descriptor. */
  async openLog(kind: 'eventlog' | 'userspace' | 'ima'): Promise<number | null> {
    try {
      return await this.order('OPEN_LOG', MESSAGE.openLog, encodeOpenLog(kind), (_, descriptors) => {
        const [fd] = exactly(descriptors, 1)
        return fd ?? null
      })
    } catch (error) {
      if (error instanceof LauncherError && error.code === 'LOG_UNAVAILABLE' && error.errno === ENOENT)
        return null
      throw error
    }
  }

  /**
   * Has the subjects opened, hashed while copied, and sealed, with the rights of the uid that will run them; the first is the
   * program. If one of them cannot be used, none is kept. A script's interpreter has to be among them, under the path that the
   * script names.
   *
   * @param wanted paths of files, or paths with the kind of what has to be there; the launcher takes nothing of another kind
   * @param user whose rights; `own` is an unprivileged uid that nobody else has
   * @throws LauncherError for a fault that is not about one subject: `CAPACITY`, `UID_REFUSED`, `STAGE_TIMEOUT`, …
   */
  async stage(
    executionId: string,
    wanted: readonly (string | SubjectPath)[],
    user: 'own' | { uid: number; gid: number } = 'own',
  ): Promise<StagedSubject[]> {
    const paths = wanted.map(item => (typeof item === 'string' ? item : item.path))
    const kinds = wanted.map(item => (typeof item === 'string' ? 'file' : item.kind))
    const body = encodeStage(executionId, kinds, MAX_SUBJECT_BYTES, user === 'own' ? null : user)
    const { subjects } = await this.order(
      'STAGE',
      MESSAGE.stage,
      body,
      message => decodeStaged(message.body),
      {
        strings: encodeStrings(paths),
      },
    )
    if (subjects.length !== paths.length)
      throw new LauncherError('PROTOCOL', 'the launcher staged something else')
    return subjects.map(({ code, errno, sha256, size }, i) => {
      const path = paths[i] ?? ''
      const name = errnoName(errno)
      return code === 'OK'
        ? { path, sha256, size }
        : { path, error: name === undefined ? code : `${code} (${name})` }
    })
  }

  /**
   * Makes an execution ready, in a frozen cgroup, from the staged subjects. The launcher refuses a digest that differs from
   * what it hashed. The caller then starts it or abandons it.
   */
  async prepare(order: LaunchOrder): Promise<Prepared> {
    const { executionId, stdio } = order
    const { body, strings } = encodePrepare(order)
    // From here on there may be processes; until the answer nothing else is told about them.
    this.#live.add(executionId)
    try {
      return await this.order(
        'PREPARE',
        MESSAGE.prepare,
        body,
        (message, descriptors) => {
          const { ends, socket } = splitSocket(order, descriptors)
          const streams = openStreams(stdio, ends)
          const { stdin, stdout, stderr } = streams
          this.#streams.set(
            executionId,
            [stdin, stdout, stderr, socket].filter(end => end !== null),
          )
          return { ...decodePrepared(message.body), ...streams, socket }
        },
        { strings, descriptors: (order.secrets ?? []).map(({ fd }) => fd) },
      )
    } catch (error) {
      if (this.#over === null) this.#live.delete(executionId)
      throw error
    }
  }

  /**
   * Lets a prepared execution run. Epoch, deadlines and parent are looked at once more, in C. Resolves when the program has
   * been executed.
   */
  async start(executionId: string, epoch: bigint): Promise<void> {
    try {
      await this.order('START', MESSAGE.start, encodeStart(executionId, epoch), message => {
        decodeEmpty(message)
        // Here and not after the promise: the end of a short program can be in the same read.
        this.#streams.delete(executionId)
      })
    } catch (error) {
      // It was prepared, and has ended since: the launcher has forgotten it already.
      const forgotten = error instanceof LauncherError && error.code === 'UNKNOWN_EXECUTION'
      throw forgotten ? new LauncherError('ENDED', 'START: the execution has ended', { cause: error }) : error
    }
  }

  /** Orders the end of an execution. What becomes of it is told by events; one that has ended already stays that. */
  kill(executionId: string, order: KillOrder): void {
    this.#send('KILL', MESSAGE.kill, encodeKill(executionId, order))
  }

  /**
   * Orders the end of every execution of this epoch and earlier ones, at once.
   *
   * @param hold those that may be held are held instead
   */
  lapse(epoch: bigint, hold = false): void {
    this.#send('LAPSE', MESSAGE.lapse, encodeLapse(epoch, hold))
  }

  /**
   * Lets an execution go on that is held, as one of `epoch`: evidence, deadlines and parent are looked at once more, in C. Resolves when
   * it runs. Refused, it stays held.
   */
  thaw(executionId: string, epoch: bigint): Promise<void> {
    return this.order('THAW', MESSAGE.thaw, encodeThaw(executionId, epoch), decodeEmpty)
  }

  /**
   * Sends a signal to the first process of an execution that runs.
   *
   * @throws LauncherError `UNKNOWN_EXECUTION`, `ENDED`; `CAPACITY` when too many signals wait to be delivered
   */
  signal(executionId: string, signal: PassedSignal): Promise<void> {
    return this.order('SIGNAL', MESSAGE.signal, encodeSignal(executionId, signal), decodeEmpty)
  }

  /** Lets go of what was staged or prepared and will not be started. One that runs already is not touched. */
  abandon(executionId: string): void {
    this.#letGo(executionId)
    this.#send('ABANDON', MESSAGE.abandon, idBytes(executionId))
  }

  /** Closes the streams and the socket of what was prepared and not started. */
  #letGo(executionId: string): void {
    for (const stream of this.#streams.get(executionId) ?? []) stream.destroy()
    this.#streams.delete(executionId)
  }

  /** Whether the launcher may still have processes of this execution. */
  knows(executionId: string): boolean {
    return this.#live.has(executionId)
  }

  /** All that the launcher holds now. */
  async list(): Promise<ListedExecution[]> {
    const found: ListedExecution[] = []
    for (;;) {
      const { total, executions } = await this.order(
        'LIST',
        MESSAGE.list,
        encodeList(found.length),
        ({ body }) => {
          const part = decodeList(body)
          for (const { executionId, state } of part.executions) {
            if (!WITHOUT_PROCESSES.has(state)) this.#live.add(executionId)
          }
          return part
        },
      )
      found.push(...executions)
      if (executions.length === 0 || found.length >= total) return found
    }
  }

  /** Ends the connection. What runs lives on until its lease ends. */
  close(): void {
    this.#over ??= new LauncherError('DISCONNECTED', 'the connection was closed')
    this.#channel.close()
    this.#rejectAll(this.#over)
  }

  /** An order that nobody waits for: its refusal changes nothing that an event would not tell. */
  #send(what: string, type: number, body: Buffer): void {
    this.order(what, type, body, decodeEmpty).catch(() => undefined)
  }

  /**
   * Sends an order and reads its answer; for those that have a file of their own. `strings` go along in a sealed memfd, `descriptors` as they are; both can be
   * forgotten by the caller at once only when they are `strings`.
   */
  order<T>(
    what: string,
    type: number,
    body: Buffer,
    read: (message: Message, descriptors: number[]) => T,
    along: { strings?: Buffer; descriptors?: number[] } = {},
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#over !== null) {
        reject(this.#over)
        return
      }
      const request = this.#next++
      const accept = (message: Message, descriptors: number[]) => resolve(read(message, descriptors))
      this.#waiting.set(request, { what, accept, reject })
      try {
        const table = along.strings === undefined ? null : sealedMemfd(along.strings)
        const descriptors = [...(table === null ? [] : [table]), ...(along.descriptors ?? [])]
        this.#channel.send(
          encodeOrder(type, request, body),
          descriptors,
          () => table !== null && closeSync(table),
        )
      } catch (cause) {
        this.#channel.close()
        this.#end(new LauncherError('DISCONNECTED', `${what} could not be sent`, { cause }))
      }
    })
  }

  #receive(bytes: Buffer, descriptors: number[]): void {
    try {
      const message = decodeMessage(bytes)
      if (message.isAnswer) this.#answer(message, descriptors)
      else this.#event(message)
    } catch (error) {
      const fault =
        error instanceof LauncherError
          ? error
          : new LauncherError('PROTOCOL', String(error), { cause: error })
      for (const fd of descriptors) closeSync(fd)
      this.#channel.close()
      this.#end(fault)
    }
  }

  #answer(message: Message, descriptors: number[]): void {
    const waiting = this.#waiting.get(message.request)
    if (waiting === undefined) throw new LauncherError('PROTOCOL', 'the launcher answered what was not asked')
    if (message.status === 0) waiting.accept(message, descriptors)
    else waiting.reject(decodeFailure(message, waiting.what))
    this.#waiting.delete(message.request)
  }

  #event({ type, body }: Message): void {
    if (type === MESSAGE.held) {
      this.emit('held', decodeStopped(body))
    } else if (type === MESSAGE.killSent) {
      this.emit('kill-sent', decodeStopped(body))
    } else if (type === MESSAGE.ended) {
      const ended = decodeEnded(body)
      this.#live.delete(ended.executionId)
      // Of what never ran nobody reads.
      this.#letGo(ended.executionId)
      if (this.#connected) this.emit('ended', ended)
      else this.earlierEnds.push(ended)
    } else {
      throw new LauncherError('PROTOCOL', 'the launcher sent an unknown event')
    }
  }

  #end(error: LauncherError): void {
    if (this.#over !== null) return
    this.#over = error
    this.#rejectAll(error)
    this.emit('disconnected', error)
  }

  #rejectAll(error: LauncherError): void {
    for (const { reject } of this.#waiting.values()) reject(error)
    this.#waiting.clear()
  }
}
