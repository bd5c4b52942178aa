import { closeSync } from 'node:fs'
import { constants, type ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import type { Caller } from '../core.ts'
import type { PeerCredentials } from '../native.ts'
import { SharedDescriptor } from '../shared-descriptor.ts'

/** Anything of grpc-js that can say whose it is: a server call or an interceptor's call. */
interface CallOfPeer {
  getPeer(): string
}

/**
 * Ties each connection's caller to the calls that come in over it.
 *
 * This is the one file that rests on undocumented ground: `socket._handle.fd` (Node keeps the descriptor there) and the way
 * grpc-js makes `getPeer()` from the session socket's `remoteAddress`, which on a Unix socket is undefined. The socket is
 * given a `remoteAddress` of its own, which names the connection. Whatever breaks here, the answer is null, and a caller that is
 * not known is refused.
 */
export class PeerRegistry {
  readonly #callers = new Map<string, Caller>()
  #count = 0

  /** Reads the credentials of a socket that was just accepted. Null if anything about them is not known. */
  static identify(socket: Socket, read: (fd: number) => PeerCredentials): PeerCredentials | null {
    try {
      const handle = (socket as unknown as { _handle?: { fd?: unknown } | null })._handle
      const fd = handle?.fd
      // Node gives -1 for a handle that has no descriptor any more.
      if (typeof fd !== 'number' || !Number.isInteger(fd) || fd < 0) return null
      const peer = read(fd)
      if (isId(peer.uid) && isId(peer.gid) && Number.isInteger(peer.pid) && peer.pid > 0)
        return boundOnly(peer)
      closePidfd(peer)
      return null
    } catch {
      return null
    }
  }

  /**
   * Names the connection; from now on its calls have this caller, until the socket closes. Owns the pidfd from here.
   *
   * @param roles what the caller is configured to be, now
   */
  admit(
    socket: Socket,
    caller: Omit<Caller, 'connection' | 'governor' | 'auditor' | 'pidfd'> & Pick<PeerCredentials, 'pidfd'>,
    roles: () => Pick<Caller, 'governor' | 'auditor'>,
  ): Caller {
    const connection = `connection-${++this.#count}`
    const pidfd = caller.pidfd === null ? null : new SharedDescriptor(caller.pidfd)
    const named: Caller = {
      ...caller,
      pidfd,
      connection,
      // Asked anew each time: whoever is no auditor any more is none on a connection, or in a call, from before.
      get governor() {
        return roles().governor
      },
      get auditor() {
        return roles().auditor
      },
    }
    Object.defineProperty(socket, 'remoteAddress', { value: connection })
    this.#callers.set(connection, named)
    socket.once('close', () => {
      this.#callers.delete(connection)
      pidfd?.close()
    })
    return named
  }

  /** Whose call this is; null if that is not known, or no longer. */
  callerOf(call: CallOfPeer): Caller | null {
    try {
      return this.#callers.get(call.getPeer()) ?? null
    } catch {
      // The session's socket throws once it is unbound (ERR_HTTP2_SOCKET_UNBOUND).
      return null
    }
  }
}

/** Without the kernel's own record of the process, its number may by now be another's: so may a cgroup found by it. */
function boundOnly(peer: PeerCredentials): PeerCredentials {
  if (peer.bound) return peer
  closePidfd(peer)
  return { ...peer, pidfd: null, cgroup: null }
}

/** How long after its answer a call's stream may stay open on the caller's side. */
const LINGER_MS = 1000

/**
 * Ends the stream of a call that has been answered in full if its caller does not: RST_STREAM with NO_ERROR, as RFC 9113 section 8.1 has it.
 * grpc-js leaves such a stream to the caller, who could keep it for ever, and any number of them. Later, and not at once, because nghttp2 would
 * send it before the answer. Rests on grpc-js's own field for the stream; without it, nothing is done.
 */
export function endStreamLater(call: object): void {
  const { stream } = call as { stream?: Partial<ServerHttp2Stream> }
  if (stream === undefined || stream.closed !== false) return
  const timer = setTimeout(() => {
    if (stream.closed === false) stream.close?.(constants.NGHTTP2_NO_ERROR)
  }, LINGER_MS).unref()
  // Most are closed at once, and nothing is to be kept of them.
  stream.once?.('close', () => clearTimeout(timer))
}

/** Closes the descriptor that came with credentials. */
export function closePidfd(peer: { readonly pidfd: number | null }): void {
  if (peer.pidfd !== null) closeSync(peer.pidfd)
}

/** A uid or gid that stands for somebody: -1 means "nobody known" to the kernel. */
function isId(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value < 0xffffffff
}
