import { Client, connectivityState, credentials } from '@grpc/grpc-js'
import { TransportError } from '../call-error.ts'

/** Reports carry whole measurement logs. */
const MAX_RECEIVE_BYTES = 64 * 1024 * 1024

/**
 * Most bytes that the daemon sends of a stream, and of all together, before they are read here. HTTP/2's 65,535 (RFC 9113 section 6.9.2)
 * are one piece of output: daemon and caller would then work in turns.
 */
export const STREAM_WINDOW = 1024 * 1024

interface TrackedCall {
  cancel(): void
  once(event: 'status', listener: () => void): unknown
}

/**
 * The way to one daemon's socket. It is connected when it is used, and what it says of the daemon is what was tried just now:
 * a channel that could not connect would go on answering so from memory, for up to two minutes, whoever listens by then.
 */
export class Channel {
  readonly #target: string
  readonly #keepaliveMs: number
  readonly #calls = new Set<TrackedCall>()
  #client: Client | null = null
  #closed = false

  /** @param socketPath absolute path of the daemon's Unix socket */
  constructor(socketPath: string, keepaliveMs: number) {
    this.#target = `unix:${socketPath}`
    this.#keepaliveMs = keepaliveMs
  }

  /** The connection to be used for the next call. @throws TransportError once it is closed */
  get client(): Client {
    if (this.#closed) throw new TransportError('CANCELLED', 'the client is closed')
    if (this.#client !== null) {
      const state = this.#client.getChannel().getConnectivityState(false)
      if (state !== connectivityState.TRANSIENT_FAILURE) return this.#client
      // Nothing is under way on a channel in this state.
      this.#client.close()
    }
    this.#client = this.#connect()
    return this.#client
  }

  /** Has the call end with this channel. */
  track<C extends TrackedCall>(call: C): C {
    this.#calls.add(call)
    call.once('status', () => this.#calls.delete(call))
    return call
  }

  /** Ends every call, and disconnects. */
  close(): void {
    this.#closed = true
    for (const call of this.#calls) call.cancel()
    this.#client?.close()
  }

  #connect(): Client {
    return new Client(this.#target, credentials.createInsecure(), {
      'grpc.enable_channelz': 0,
      // None by grpc-js, not even where it takes a request for unseen: what is repeated is said in methods.ts alone.
      'grpc.enable_retries': 0,
      'grpc.service_config_disable_resolution': 1,
      'grpc.enable_http_proxy': 0,
      'grpc.use_local_subchannel_pool': 1,
      'grpc.max_receive_message_length': MAX_RECEIVE_BYTES,
      'grpc-node.flow_control_window': STREAM_WINDOW,
      // A daemon that hangs keeps its socket open: without a sign of life its calls end as UNAVAILABLE.
      'grpc.keepalive_time_ms': this.#keepaliveMs,
      'grpc.keepalive_timeout_ms': Math.ceil(this.#keepaliveMs / 3),
    })
  }
}
