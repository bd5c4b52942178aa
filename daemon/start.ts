import type { Logger } from 'pino'
import { TpmError } from '../attestation/tpm2/index.ts'
import type { StartConfig } from '../configuration/schema.ts'
import { NewEpochError, RolledBackError } from '../lineage/index.ts'
import { daemonCore } from './api.ts'
import { bootstrapDocuments } from './bootstrap-documents.ts'
import type { DaemonCore } from './core.ts'
import { assemble } from './daemon.ts'
import { DAEMON_VERSION } from './first-entries.ts'
import { GovernanceError } from './governance.ts'
import { readGovernanceKeys, readHostId } from './host.ts'
import type { LogLevels } from './log/log-level.ts'
import { watchedDecisions } from './metrics/decisions.ts'
import type { Instruments } from './metrics/instruments.ts'
import { sdNotify } from './native.ts'
import { OWN_SOCKET, type OwnSocket, type OwnSocketOf, processOf, strangerTo } from './own-socket.ts'
import type { DaemonParts } from './parts.ts'
import { Progress, STEPS } from './progress.ts'
import { RpcServer, SERVICE_NAMES } from './rpc/server.ts'
import { statusLine } from './service-status.ts'
import type { Settings } from './settings.ts'
import { mayCome, SwitchedCore, Waiting } from './waiting.ts'

/** How often the gate looks at the clock by itself, so that STALE is told without anybody asking. */
const EXPIRE_MS = 250
/** How long a start may take before the socket says that the daemon waits, and how often it tries again. */
const PATIENCE_MS = 2_000
const RETRY_MS = 1_000

/** A daemon on its way: the server, which may serve before there is a daemon behind it. */
export class Start {
  readonly server: RpcServer
  readonly #settings: Settings
  readonly #config: StartConfig
  readonly #log: Logger
  readonly #serving = new SwitchedCore()
  readonly #stop: AbortSignal
  /** What serves while there is no daemon yet; null in an ordinary start. */
  #waiting: Waiting | null = null
  #parts: DaemonParts | null = null

  /** What the watchdog goes by until the daemon serves: the attempts, each up to the TPM's first answer. */
  readonly progress = new Progress()
  readonly #passed: number | null
  readonly #instruments: Instruments

  /**
   * @param stop aborted when it is to stop
   * @param passed the socket that the service manager listens on for the daemon
   */
  constructor(
    settings: Settings,
    log: Logger,
    levels: LogLevels,
    instruments: Instruments,
    stop: AbortSignal,
    passed: number | null = null,
  ) {
    this.#stop = stop
    this.#passed = passed
    this.#instruments = instruments
    this.#settings = settings
    this.#config = settings.whole
    this.#log = log
    this.server = createServer(settings, log, levels, instruments, this.#serving.core)
  }

  /** The daemon, once it is open for business. */
  get parts(): DaemonParts | null {
    return this.#parts
  }

  /** What answers now, if anything does yet. */
  get core(): DaemonCore | null {
    return this.#serving.current
  }

  /**
   * Puts the daemon together. While its TPM does not answer it says so on its socket, denies everything, and tries again; with a lineage that
   * was put back, or is a new epoch, it does so until an operator accepts that. Every other failure is thrown.
   *
   * @returns null if it was told to stop before there was a daemon; what had been opened is closed as at any stop
   */
  async assemble(): Promise<DaemonParts | null> {
    const first = this.#attempt()
    const late = new Promise<null>(resolve => setTimeout(resolve, PATIENCE_MS, null))
    try {
      const outcome = await Promise.race([first, late])
      return outcome !== null && !isHeld(outcome) ? outcome : await this.#wait(first)
    } catch (error) {
      await this.server.close(0)
      if (this.#stop.aborted && error === this.#stop.reason) return null
      throw error
    }
  }

  /** Puts the documents in force and opens for business. */
  async serve(parts: DaemonParts): Promise<void> {
    const waiting = this.#waiting
    this.#parts = parts
    await bootstrapDocuments(parts)
    parts.attestor.start()
    parts.sealing.start()
    parts.scrub.start()
    parts.snapshots.start()
    parts.retention.start()
    parts.validity.look()
    setInterval(() => parts.gate.expire(), EXPIRE_MS).unref()
    this.#serving.current = daemonCore(parts)
    // Not before: a watch that it ends is asked for again at once.
    waiting?.end()
    if (waiting === null) await this.#listen()
    for (const service of ['', ...SERVICE_NAMES] as const) this.server.setServing(service, true)
    this.#log.info(
      { event: 'daemon-ready', socket: this.#config.daemon.socket, host: parts.host.id, tier: parts.tier },
      'serving',
    )
    if (waiting === null) sdNotify('READY=1')
  }

  async #wait(first: Promise<DaemonParts | Held>): Promise<DaemonParts> {
    try {
      const waiting = new Waiting(await readHostId(this.#config), DAEMON_VERSION, () =>
        readGovernanceKeys(this.#config),
      )
      this.#serving.current = waiting.core()
      await this.#listen()
      this.#waiting = waiting
    } catch (error) {
      // What is being put together meanwhile is not left open: where it comes about, it fails over this too, and is closed in order.
      const outcome = await first
      if (isHeld(outcome)) throw error
      return outcome
    }
    sdNotify('READY=1')
    let outcome = await first
    let told = ''
    while (isHeld(outcome)) {
      const { code, message } = outcome
      const unaccepted = isUnaccepted(outcome) ? outcome : null
      const why = unaccepted !== null ? `waiting for an operator (${code})` : 'waiting for the TPM'
      if (told !== code)
        this.#log.warn(
          { ...(unaccepted !== null && { event: 'acceptance-needed' }), code },
          `${why}: ${message}`,
        )
      told = code
      sdNotify(statusLine(`UNATTESTED: ${why}: ${message}`))
      this.#waiting.tpm = outcome instanceof TpmError ? outcome : null
      this.#waiting.unaccepted = unaccepted
      if (unaccepted !== null) await this.#accepted(this.#waiting)
      else {
        this.progress.expect(RETRY_MS)
        await this.#pause()
      }
      this.#stop.throwIfAborted()
      const held: Held = outcome
      outcome = await this.#attempt().catch(error => {
        this.#waiting?.settle(error as Error)
        // What the lineage says against a clearance is known when it has been read.
        if (error instanceof GovernanceError) return held
        throw error
      })
      if (isHeld(outcome)) this.#waiting.settle(outcome)
    }
    this.#waiting.settle({ lineageIndex: outcome.acceptedIndex ?? 0n })
    this.#waiting.recordIn(outcome.decisions)
    return outcome
  }

  /** Nothing changes until an operator accepts the lineage as it is, or puts the right one there and starts the daemon again. */
  #accepted(waiting: Waiting): Promise<void> {
    this.progress.end('over')
    return new Promise(resolve => {
      const signal = this.#stop
      const go = () => {
        signal.removeEventListener('abort', go)
        resolve()
      }
      waiting.onAccepted = go
      signal.addEventListener('abort', go)
      if (signal.aborted || waiting.accepted !== null) go()
    })
  }

  async #attempt(): Promise<DaemonParts | Held> {
    this.progress.begin(STEPS.files)
    const tpmAsked = () => this.progress.at(STEPS.tpm)
    const tpmAnswered = () => {
      // Reading a long log takes as long as it takes.
      this.progress.rest()
      if (this.#waiting !== null) this.#waiting.tpm = null
    }
    try {
      return await assemble(this.#settings, this.#log, {
        ...{ stop: this.#stop, instruments: this.#instruments, tpmAsked, tpmAnswered },
        accepted: this.#waiting?.accepted ?? null,
        openSocket: execution => this.#openSocket(execution),
      })
    } catch (error) {
      if (isUnaccepted(error)) return error
      if (mayCome(error)) {
        this.progress.end(error.code === 'TPM_TIMEOUT' ? 'unanswered' : 'over')
        return error
      }
      throw error
    }
  }

  #pause(): Promise<void> {
    return new Promise(resolve => {
      const signal = this.#stop
      const go = () => {
        clearTimeout(timer)
        signal.removeEventListener('abort', go)
        resolve()
      }
      const timer = setTimeout(go, signal.aborted ? 0 : RETRY_MS)
      signal.addEventListener('abort', go)
    })
  }

  /** What comes in there is the execution's child, and of nobody else anything. */
  async #openSocket(execution: OwnSocketOf): Promise<OwnSocket> {
    const { descriptor, executionId } = execution
    const acceptor = await this.server.listen({
      path: OWN_SOCKET,
      access: 'owner',
      inside: descriptor,
      parentExecution: executionId,
      roles: () => ({ governor: false, auditor: false }),
      refuse: peer => strangerTo(execution, peer),
    })
    return { descriptor: () => acceptor.descriptor, close: () => this.server.unlisten(acceptor) }
  }

  async #listen(): Promise<void> {
    await this.server.listen({
      path: this.#config.daemon.socket,
      access: this.#config.daemon.socketAccess,
      passed: this.#passed,
      parentExecution: null,
      roles: uid => this.#settings.rolesOf(uid),
      refuse: peer =>
        refuseExecutions(this.#config, peer.uid) ?? processOf(this.#parts?.registry.live() ?? [], peer),
    })
  }
}

/** What a start waits for, on its socket. */
type Held = TpmError | RolledBackError | NewEpochError

function isHeld(outcome: DaemonParts | Held): outcome is Held {
  return outcome instanceof TpmError || isUnaccepted(outcome)
}

/** Whether an operator has to say that the lineage goes on as it is. */
function isUnaccepted(found: unknown): found is RolledBackError | NewEpochError {
  return found instanceof RolledBackError || found instanceof NewEpochError
}

function createServer(
  settings: Settings,
  log: Logger,
  levels: LogLevels,
  instruments: Instruments,
  core: DaemonCore,
): RpcServer {
  const { rpc }: StartConfig = settings.whole
  return new RpcServer({
    ...{ core: watchedDecisions(core, instruments), log, levels },
    onRefused: () => instruments.refused.add(),
    quota: settings.quotaLimits(),
    unaryTimeoutMs: () => settings.now.rpc.answerSeconds * 1000,
    limits: {
      maxMessageBytes: rpc.maxMessageBytes,
      maxConcurrentStreams: rpc.maxCallsPerConnection,
      maxConnections: rpc.maxConnections,
      idleMs: rpc.idleSeconds * 1000,
      keepaliveMs: rpc.keepaliveSeconds * 1000,
    },
  })
}

/** A workload does not ask on the main socket: what it may ask for hangs on the execution that it is. */
function refuseExecutions({ execution }: StartConfig, uid: number): string | null {
  const [first, last] = execution.uidRange
  return uid >= first && uid <= last ? 'the uid of an execution' : null
}
