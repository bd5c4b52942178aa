import type { LeasePage } from '../native.ts'
import {
  decodeAdopted,
  decodeEmpty,
  decodeEnded,
  decodeHello,
  decodeList,
  decodePrepared,
  decodeStaged,
  decodeStopped,
  errnoName,
  type Message,
} from './decode.ts'
import {
  encodeAdopt,
  encodeKeep,
  encodeKill,
  encodeLapse,
  encodeList,
  encodeNote,
  encodeOpenLog,
  encodePrepare,
  encodeSignal,
  encodeStage,
  encodeStart,
  encodeStrings,
  encodeThaw,
  idBytes,
} from './encode.ts'
import { LauncherError } from './error.ts'
import { OrderChannel } from './order-channel.ts'
import { exactly, openLastOutput, openStreams, splitSocket, streamsOf } from './streams.ts'
import type {
  Adopted,
  AdoptedDeadlines,
  KillOrder,
  LastOutput,
  LaunchEnded,
  LauncherFeatures,
  LaunchOrder,
  ListedExecution,
  OpenDescriptors,
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

/**
 * `writd`'s side of the launcher's socket. Orders are answered in any order; each promise rejects with a
 * {@link LauncherError}. Nothing blocks, and a KILL or LAPSE is on its way when the call returns.
 */
export class LauncherClient extends OrderChannel {
  /** Executions that may have processes. */
  readonly #live = new Set<string>()
  /** Streams and sockets of executions that have not been started. */
  readonly #streams = new Map<string, { destroy(): unknown }[]>()
  /** Of executions that ended while they were kept. */
  readonly #lastOutputs = new Map<string, LastOutput>()
  #connected = false
  /** Ends that happened while no `writd` was connected, or during {@link connect}, when nobody could listen yet. */
  readonly earlierEnds: LaunchEnded[] = []
  #features: LauncherFeatures = {
    landlockAbi: 0,
    controllers: [],
    superseded: 0,
    kept: 0,
    features: [],
    devices: [],
  }

  /**
   * Connects and hands over the lease page. Executions of an earlier page that are not kept are killed by the launcher;
   * {@link knows} says which of them are not dead yet.
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
          const { ends, socket } = splitSocket(order.children === true, descriptors)
          const streams = openStreams(streamsOf(stdio), ends)
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
      if (!this.isOver) this.#live.delete(executionId)
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

  /**
   * Leaves a running execution to the launcher for the next `writd`, with these descriptors, which are those that {@link prepare} gave: in force once this
   * connection is over. Another call replaces what the one before passed; a stream that is closed has to be left out by then, since the launcher's descriptor keeps it open.
   *
   * @throws LauncherError `STREAM_REFUSED` for other descriptors (`index`: which), `BAD_STATE` for one that does not run, or is kept and not adopted
   */
  keep(executionId: string, open: OpenDescriptors): Promise<void> {
    const { body, descriptors } = encodeKeep(executionId, open)
    return this.order('KEEP', MESSAGE.keep, body, decodeEmpty, { descriptors })
  }

  /** Has the launcher remember a number for whoever adopts a running execution. Nobody waits for it; one that has ended needs none. */
  note(executionId: string, number: number): void {
    this.#send('NOTE', MESSAGE.note, encodeNote(executionId, BigInt(number)))
  }

  /**
   * Takes over an execution that is kept, into `epoch` of this connection's page. Its own supervisor looks, in C: that its old lease, its expiry and its run
   * time are not over, and that the page shows this epoch with evidence that makes a lease now.
   *
   * @param deadlines what it may not outlive from now on; they never give it more than it has
   * @throws LauncherError `EPOCH_OVER`, `LEASE_OVER`, `EXPIRED`, `PARENT_ENDED` (parents are adopted first), `BAD_STATE`, `ENDED`. It then stays kept
   */
  async adopt(executionId: string, epoch: bigint, deadlines: AdoptedDeadlines): Promise<Adopted> {
    return await this.order(
      'ADOPT',
      MESSAGE.adopt,
      encodeAdopt(executionId, epoch, deadlines),
      (message, passed) => {
        const { streams, socket: hasSocket, ...rest } = decodeAdopted(message.body)
        const { ends, socket } = splitSocket(hasSocket, passed)
        return { ...rest, ...openStreams(streams, ends), socket }
      },
    )
  }

  /**
   * The last order of a connection: once it is answered, nothing comes any more, and what happens is told to the next `writd`. What {@link keep}
   * was called for is kept from then on.
   */
  leave(): Promise<void> {
    return this.order('LEAVE', MESSAGE.leave, Buffer.alloc(0), decodeEmpty)
  }

  /** What an execution that ended while it was kept had written last, once; whoever takes it reads or destroys it. */
  takeLastOutput(executionId: string): LastOutput | null {
    const output = this.#lastOutputs.get(executionId) ?? null
    this.#lastOutputs.delete(executionId)
    return output
  }

  /** Ends the connection. What runs lives on until its lease ends. */
  close(): void {
    for (const { stdout, stderr } of this.#lastOutputs.values()) {
      stdout?.destroy()
      stderr?.destroy()
    }
    this.#lastOutputs.clear()
    this.closeChannel()
  }

  /** An order that nobody waits for: its refusal changes nothing that an event would not tell. */
  #send(what: string, type: number, body: Buffer): void {
    this.order(what, type, body, decodeEmpty).catch(() => undefined)
  }

  protected onEvent({ type, body }: Message, descriptors: number[]): void {
    if (type === MESSAGE.ended) {
      const { ended, streams } = decodeEnded(body)
      const { executionId } = ended
      const output = openLastOutput(streams, descriptors)
      if (output !== null) this.#lastOutputs.set(executionId, output)
      this.#live.delete(executionId)
      // Of what never ran nobody reads.
      this.#letGo(executionId)
      if (this.#connected) this.emit('ended', ended)
      else this.earlierEnds.push(ended)
      return
    }
    exactly(descriptors, 0)
    if (type === MESSAGE.held) this.emit('held', decodeStopped(body))
    else if (type === MESSAGE.killSent) this.emit('kill-sent', decodeStopped(body))
    else throw new LauncherError('PROTOCOL', 'the launcher sent an unknown event')
  }
}
