import { createServer, type Server, type Socket } from 'node:net'
import { descriptorOf } from '../launcher/descriptor-of.ts'
import { type PeerCredentials, peerCredentials } from '../native.ts'
import { listenInside, listenPassed } from './passed-socket.ts'
import { closePidfd, PeerRegistry } from './peer.ts'
import type { Quota } from './quota.ts'
import { listenSafely, type SafeSocket } from './socket.ts'
import type { SocketAccess } from './socket-directory.ts'

/** One socket that callers connect to. */
export interface ListenOptions {
  readonly path: string
  readonly access: SocketAccess
  /** A descriptor that listens there already, from the service manager. */
  readonly passed?: number | null
  /** A descriptor that listens where one execution alone can reach it: there is no path to look after. Owned from here. */
  readonly inside?: number | null
  /** The execution whose own socket this is; null for the main socket. */
  readonly parentExecution: string | null
  /** What a uid is configured to be now; asked at each use. On an execution's own socket nobody is anything. */
  readonly roles: (uid: number) => { governor: boolean; auditor: boolean }
  /** Why this peer may not connect here, such as a uid of the executions' range on the main socket; null if it may. */
  readonly refuse: (peer: PeerCredentials) => string | null
}

/** The part of a pino logger that is used. */
export interface RpcLog {
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

export interface AcceptorContext {
  readonly peers: PeerRegistry
  readonly quota: Quota
  /** Hands the connection to the gRPC server. */
  readonly inject: (socket: Socket) => void
  readonly log: RpcLog
  /** Connections on this socket at one time, of all uids. */
  readonly maxConnections: number
}

/** Least time between two lines in the log about refused connections. */
const REFUSED_LINE_MS = 1000

/** Accepts connections on one socket, and says whose each is before a byte of it is read. */
export class Acceptor {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #options: ListenOptions
  readonly #context: AcceptorContext
  #safe: SafeSocket | null = null
  #untold = 0
  #tellAfter = 0

  private constructor(options: ListenOptions, context: AcceptorContext) {
    this.#options = options
    this.#context = context
    this.#server = createServer(socket => {
      // Whatever happens to a connection is no reason for the daemon to end.
      socket.on('error', () => {})
      try {
        this.#accept(socket)
      } catch (error) {
        context.log.error({ err: error }, 'a connection could not be taken')
        socket.destroy()
      }
    })
    this.#server.maxConnections = context.maxConnections
  }

  /** @throws SocketError */
  static async listen(options: ListenOptions, context: AcceptorContext): Promise<Acceptor> {
    const acceptor = new Acceptor(options, context)
    const { path, access, passed = null, inside = null } = options
    const server = acceptor.#server
    if (inside !== null) acceptor.#safe = await listenInside(server, inside, path)
    else if (passed !== null) acceptor.#safe = await listenPassed(server, passed, path, access)
    else acceptor.#safe = await listenSafely(server, path, access)
    // From here on an error is one of accept(2), out of descriptors for example: the listener goes on.
    acceptor.#server.on('error', error => context.log.warn({ error: error.message }, 'accept failed'))
    return acceptor
  }

  get path(): string {
    return this.#safe?.path ?? this.#options.path
  }

  /** The descriptor that listens; null once nothing does. */
  get descriptor(): number | null {
    return descriptorOf(this.#server)
  }

  /** Whether this is an execution's own socket. */
  get isInside(): boolean {
    return this.#options.parentExecution !== null
  }

  /** Connections that are open. */
  get connections(): number {
    return this.#sockets.size
  }

  /** Stops accepting, and removes the socket. Connections live on. */
  stop(): void {
    this.#safe?.close()
    this.#safe = null
  }

  /** Ends every connection at once. */
  disconnect(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  #accept(socket: Socket): void {
    const peer = PeerRegistry.identify(socket, peerCredentials)
    const why = peer === null ? 'its credentials are not known' : this.#refusal(peer)
    if (peer === null || why !== null) {
      this.#tellRefused(peer, why ?? '')
      if (peer !== null) closePidfd(peer)
      socket.destroy()
      return
    }
    this.#sockets.add(socket)
    socket.once('close', () => {
      this.#sockets.delete(socket)
      this.#context.quota.closeConnection(peer.uid)
    })
    const { parentExecution, roles } = this.#options
    const { uid, gid, pid, pidfd, cgroup } = peer
    this.#context.peers.admit(socket, { uid, gid, pid, pidfd, cgroup, parentExecution }, () =>
      parentExecution === null ? roles(uid) : NO_ROLES,
    )
    this.#context.inject(socket)
  }

  /** The log is on a disk: however many are refused, one line a second is written, with the number of those since the last. */
  #tellRefused(peer: PeerCredentials | null, why: string): void {
    this.#untold++
    const now = performance.now()
    if (now < this.#tellAfter) return
    this.#context.log.warn(
      { uid: peer?.uid, pid: peer?.pid, socket: this.path, refused: this.#untold },
      `connection refused: ${why}`,
    )
    this.#untold = 0
    this.#tellAfter = now + REFUSED_LINE_MS
  }

  /** Takes the connection from the uid's quota if there is no other reason to refuse it. */
  #refusal(peer: PeerCredentials): string | null {
    const why = this.#options.refuse(peer)
    if (why !== null) return why
    return this.#context.quota.openConnection(peer.uid) ? null : 'its uid has too many connections'
  }
}

const NO_ROLES = { governor: false, auditor: false }
