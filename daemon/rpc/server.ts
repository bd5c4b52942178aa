import {
  logVerbosity,
  Server,
  ServerCredentials,
  type ServiceDefinition,
  setLogVerbosity,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js'
import type { HealthImplementation } from 'grpc-health-check'
import { api } from '../../proto/client/methods.ts'
import type { DaemonCore } from '../core.ts'
import { Acceptor, type ListenOptions, type RpcLog } from './acceptor.ts'
import { admission, measured } from './admission.ts'
import { attestationService } from './attestation-service.ts'
import { executionService } from './execution-service.ts'
import { governanceService } from './governance-service.ts'
import type { HandlerContext } from './handler.ts'
import { lineageService } from './lineage-service.ts'
import type { LevelSwitch } from './log-level-message.ts'
import { MessageLimits } from './message-limits.ts'
import { withOutputMessages } from './output-message.ts'
import { PeerRegistry } from './peer.ts'
import { Quota, type QuotaLimits } from './quota.ts'
import { addHealth, addReflection } from './standard-services.ts'

export interface RpcLimits {
  /** Bytes of one message from a caller; {@link MessageLimits} lets governors bring reference values beyond it. */
  readonly maxMessageBytes: number
  /** Calls at one time on one connection. */
  readonly maxConcurrentStreams: number
  /** Connections at one time on one socket. */
  readonly maxConnections: number
  /** A connection without calls is closed after this. */
  readonly idleMs: number
  /** A connection is pinged this often, and closed if no answer comes within a third of it. */
  readonly keepaliveMs: number
}

export const DEFAULT_RPC_LIMITS: RpcLimits = {
  maxMessageBytes: 4 * 1024 * 1024,
  maxConcurrentStreams: 100,
  maxConnections: 1024,
  idleMs: 300_000,
  keepaliveMs: 60_000,
}

const UNARY_TIMEOUT_MS = 60_000

/** Reports carry whole measurement logs. */
const MAX_SEND_BYTES = 64 * 1024 * 1024

export interface RpcServerOptions {
  readonly core: DaemonCore
  /** Looked at anew for each request. */
  readonly quota: QuotaLimits
  /** After how long a call with one answer is answered for; asked at each call. Default a minute. */
  readonly unaryTimeoutMs?: () => number
  readonly limits?: Partial<RpcLimits>
  readonly log: RpcLog
  readonly levels: LevelSwitch
  /** Told of each call that was turned away for quota. */
  readonly onRefused?: () => void
}

/** Names of the daemon's services, as health and reflection know them. */
export const SERVICE_NAMES = [
  'writ.v1.ExecutionService',
  'writ.v1.AttestationService',
  'writ.v1.LineageService',
  'writ.v1.GovernanceService',
] as const

export type ServiceName = (typeof SERVICE_NAMES)[number]

/** The API over any number of Unix sockets: `writ.v1`, health and reflection, each call with a caller known to the kernel. */
export class RpcServer {
  readonly #server: Server
  readonly #peers = new PeerRegistry()
  readonly #quota: Quota
  readonly #limits: RpcLimits
  readonly #log: RpcLog
  readonly #shutdown = new AbortController()
  readonly #acceptors = new Set<Acceptor>()
  readonly #health: HealthImplementation
  readonly #injector: ReturnType<Server['createConnectionInjector']>

  constructor(options: RpcServerOptions) {
    const { core, log } = options
    // grpc-js writes what a caller sent, such as a header that it does not like, to standard error as it is.
    setLogVerbosity(logVerbosity.NONE)
    this.#log = log
    this.#quota = new Quota(options.quota)
    this.#limits = { ...DEFAULT_RPC_LIMITS, ...options.limits }
    const report = (error: unknown, incident: string) => log.error({ err: error, incident }, 'internal error')
    this.#server = new Server({
      'grpc.enable_channelz': 0,
      'grpc.max_receive_message_length': this.#limits.maxMessageBytes,
      'grpc.max_send_message_length': MAX_SEND_BYTES,
      'grpc.max_concurrent_streams': this.#limits.maxConcurrentStreams,
      'grpc.max_connection_idle_ms': this.#limits.idleMs,
      'grpc.keepalive_time_ms': this.#limits.keepaliveMs,
      'grpc.keepalive_timeout_ms': Math.ceil(this.#limits.keepaliveMs / 3),
      interceptors: [
        admission({
          peers: this.#peers,
          quota: this.#quota,
          limits: new MessageLimits(this.#limits.maxMessageBytes),
          refused: uid => {
            options.onRefused?.()
            core.countDenial(uid, 'CAPACITY')
          },
          report,
        }),
      ],
    })
    const context: HandlerContext = {
      peers: this.#peers,
      report,
      shutdown: this.#shutdown.signal,
      credit: (caller, bytes) => this.#quota.credit(caller.uid, bytes),
      unaryTimeoutMs: options.unaryTimeoutMs ?? (() => UNARY_TIMEOUT_MS),
    }
    const add = (service: ServiceDefinition, implementation: UntypedServiceImplementation) =>
      this.#server.addService(measured(service), implementation)
    add(withOutputMessages(api.execution), executionService(core, context))
    add(api.attestation, attestationService(core, context))
    add(api.lineage, lineageService(core, context))
    add(api.governance, governanceService(core, context, options.levels))
    this.#health = addHealth(add, SERVICE_NAMES, this.#shutdown.signal)
    addReflection(add, this.#shutdown.signal)
    this.#injector = this.#server.createConnectionInjector(ServerCredentials.createInsecure())
  }

  /** Listens on one more socket. The acceptor is to be given back to {@link RpcServer.unlisten} when it is no longer wanted. */
  async listen(options: ListenOptions): Promise<Acceptor> {
    const acceptor = await Acceptor.listen(options, {
      peers: this.#peers,
      quota: this.#quota,
      inject: socket => this.#injector.injectConnection(socket),
      log: this.#log,
      maxConnections: this.#limits.maxConnections,
    })
    if (this.#shutdown.signal.aborted) acceptor.stop()
    else this.#acceptors.add(acceptor)
    return acceptor
  }

  /** Stops listening there and ends the connections that came in there. */
  unlisten(acceptor: Acceptor): void {
    this.#acceptors.delete(acceptor)
    acceptor.stop()
    acceptor.disconnect()
  }

  /** Calls that are under way. */
  get calls(): number {
    return this.#quota.calls
  }

  /** What health says: of one service, or of the daemon as a whole (`''`). */
  setServing(service: ServiceName | '', serving: boolean): void {
    this.#health.setStatus(service, serving ? 'SERVING' : 'NOT_SERVING')
  }

  /**
   * Stops accepting, ends watches, lets calls under way finish for `graceMs`, then ends every connection. grpc-js's own
   * `forceShutdown` does not end injected connections (with channelz off it ends nothing), so each is ended here.
   */
  async close(graceMs: number): Promise<void> {
    for (const service of ['', ...SERVICE_NAMES] as const) this.setServing(service, false)
    // An execution's own socket goes with it, or on to the next daemon.
    for (const acceptor of this.#acceptors) if (!acceptor.isInside) acceptor.stop()
    this.#shutdown.abort()
    this.#injector.drain(graceMs)
    const deadline = performance.now() + graceMs
    while (this.connections > 0 && performance.now() < deadline) {
      await new Promise(resolve => setTimeout(resolve, 20))
    }
    for (const acceptor of [...this.#acceptors]) this.unlisten(acceptor)
    this.#injector.destroy()
    this.#server.forceShutdown()
  }

  /** Connections at this moment, on all sockets. */
  get connections(): number {
    let count = 0
    for (const acceptor of this.#acceptors) count += acceptor.connections
    return count
  }
}
