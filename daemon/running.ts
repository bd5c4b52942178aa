import type { ExecuteStreams } from './core.ts'
import { OutputCount } from './hand-over/output-count.ts'
import type { OpenDescriptors, Prepared, TerminalSize } from './launcher/types.ts'
import type { OwnSocket } from './own-socket.ts'
import { Input, Output } from './pump.ts'
import type { StreamDigests } from './stream-digests.ts'

/** The streams of whoever is connected, once it knows that it is. */
export type ConnectedStreams = Omit<ExecuteStreams, 'started' | 'digest' | 'terminalSize'>

/** What a detached execution is connected to. */
export interface DetachedStreams extends ConnectedStreams {
  /** To be called when all that it wrote has been given on: nothing more comes, here. */
  readonly over: () => Promise<void>
}

/** How much went through since the execution started; null where nobody can know. */
export interface Carried {
  readonly stdinBytes: number | null
  readonly outputBytes: number | null
  /** Whether its input has ended, for it. */
  readonly inputEnded: boolean
}

export interface RunningOptions {
  readonly executionId: string
  readonly prepared: Prepared
  readonly socket: OwnSocket | null
  /** Whether it belongs to the daemon and nobody's call. */
  readonly detached: boolean
  /** SHA-256 of the token with which its caller attaches; null: nobody can. */
  readonly attach: string | null
  /** What earlier runs of the daemon carried. */
  readonly before: Carried
  /** What the launcher remembers of how much they gave on: at least as much. */
  readonly noted: number
  /** Most bytes of output, of both streams together and over all runs. */
  readonly outputLimit: number
  /** Called when there are more. */
  readonly onLimit: () => void
  /** Gets all output on its way; never waits. */
  readonly keep: (stream: 'stdout' | 'stderr', bytes: Buffer) => void
}

/** What a run of the daemon carried in all when it let go. */
export interface HandedOver {
  /** Null where nobody can know. */
  readonly stdinBytes: number | null
}

/** An execution that runs: its streams, and whoever is connected to them, at most one in each run of the daemon. */
export class Running {
  readonly executionId: string
  readonly attach: string | null
  readonly detached: boolean
  readonly before: Carried
  readonly #o: RunningOptions
  readonly #over = Promise.withResolvers<HandedOver | null>()
  #input: Input | null = null
  #output: Output | null = null
  /** Bytes of output, with those that are being given on. */
  #counted: number
  #count: OutputCount | null = null
  /** Whether its streams are hashed, which nobody could go on with. */
  hashed = false

  constructor(options: RunningOptions) {
    this.#o = options
    this.executionId = options.executionId
    this.attach = options.attach
    this.detached = options.detached
    this.before = options.before
    this.#counted = options.before.outputBytes ?? options.noted
  }

  /** Resolves when it was handed over, if it ever is; with null if it was, and what it wrote did not reach its caller. */
  get handedOver(): Promise<HandedOver | null> {
    return this.#over.promise
  }

  /** Whether it may be the parent of others. */
  get isParent(): boolean {
    return this.#o.socket !== null
  }

  /** Sets the size of its terminal, if it has one. */
  resize(size: TerminalSize): void {
    this.#o.prepared.resize?.(size)
  }

  /** Carries the input from now on, the output from {@link begin} on. */
  connect(streams: ConnectedStreams, digests: StreamDigests | null = null): void {
    const { prepared, outputLimit, onLimit, keep, before } = this.#o
    this.hashed = digests !== null
    const stdin = before.inputEnded ? null : prepared.stdin
    this.#input = new Input(streams, stdin, digests?.input(), before.stdinBytes ?? 0)
    this.#output = new Output(
      streams,
      prepared,
      outputLimit,
      onLimit,
      keep,
      digests === null ? undefined : (name, readable) => digests.output(name, readable),
      this.#counted,
      bytes => {
        this.#counted = bytes
        this.#count?.upTo(bytes)
      },
    )
    void this.#input.pump()
  }

  begin(): void {
    this.#output?.begin()
  }

  /** Has somebody remember who outlives a crash how much it has written, from now on. @param tell never waits */
  rememberOutput(tell: (bytes: number) => void): void {
    this.#count = new OutputCount(this.#counted, this.#o.outputLimit, tell)
  }

  /** Resolves when all output has been given on. */
  async finished(): Promise<void> {
    await this.#output?.finished()
  }

  /** Lets go of the pipes without reading them. */
  discard(): void {
    if (this.#output === null) this.#o.prepared.release()
    else this.#output.discard()
  }

  /** What of its streams, and of its own socket, is open now. */
  descriptors(): OpenDescriptors {
    return { ...this.#o.prepared.descriptors(), socket: this.#o.socket?.descriptor() ?? null }
  }

  /**
   * Lets go of the streams, and gives on what was read of them.
   *
   * @returns how much went through in all, as far as that can be known; null if whoever reads the output did not take it within that time, there is nobody, or it was more than
   *   the limit
   */
  async letGo(withinMs: number): Promise<Carried | null> {
    const { prepared, socket, before } = this.#o
    const { stdinBytes: written, ...rest } = prepared.release()
    const inputEnded = before.inputEnded || rest.inputEnded
    const stdinBytes = this.#input?.handOver(written) ?? before.stdinBytes ?? 0
    const given = this.#output?.handOver(rest) ?? this.#counted
    socket?.close()
    if (this.#output === null && rest.stdout.length + rest.stderr.length > 0) return null
    const late = Promise.withResolvers<null>()
    const timer = setTimeout(late.resolve, withinMs, null)
    const outputBytes = await Promise.race([given, late.promise])
    clearTimeout(timer)
    if (outputBytes === null) return null
    return {
      stdinBytes: before.stdinBytes === null ? null : stdinBytes,
      outputBytes: before.outputBytes === null ? null : outputBytes,
      inputEnded,
    }
  }

  /** Tells whoever is connected that it goes on without this daemon. @param what null: not all that it wrote has reached its caller */
  tellHandedOver(what: HandedOver | null): void {
    this.#over.resolve(what)
  }
}
