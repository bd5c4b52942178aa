import type {
  handleBidiStreamingCall,
  handleServerStreamingCall,
  handleUnaryCall,
  ServerDuplexStream,
} from '@grpc/grpc-js'
import { type Caller, DeniedError } from '../core.ts'
import { type ReportInternal, RequestError, toStatus } from './errors.ts'
import type { PeerRegistry } from './peer.ts'

/** What every handler needs. */
export interface HandlerContext {
  readonly peers: PeerRegistry
  readonly report: ReportInternal
  /** Aborted when the server begins to shut down: ends streams that would go on for ever. */
  readonly shutdown: AbortSignal
  /** Gives bytes of the caller's back to its quota. */
  readonly credit: (caller: Caller, bytes: number) => void
  /** Longest time for a call with one answer, whatever deadline its caller has; asked at each call. */
  readonly unaryTimeoutMs: () => number
}

interface HandlerOptions {
  /** The call asks for a decision: a fault of the daemon is a denial too. */
  readonly decision?: boolean
}

/** The end of a call as grpc-js tells it: `cancelled` comes once, after the status too. */
interface EndingCall {
  getPeer(): string
  readonly cancelled: boolean
  once(event: 'cancelled', listener: () => void): unknown
}

/**
 * A method with one answer. `handle` gets a signal that aborts when the call is over; what it throws becomes a status. A
 * handler that takes longer than the limit is answered for.
 */
export function unary<Request, Response>(
  context: HandlerContext,
  handle: (caller: Caller, request: Request, signal: AbortSignal) => Promise<Response> | Response,
  options: HandlerOptions = {},
): handleUnaryCall<Request, Response> {
  return (call, respond) => {
    const over = endOf(call)
    const timer = setTimeout(
      () => over.abort(new RequestError('TIMED_OUT', 'the daemon took too long')),
      context.unaryTimeoutMs(),
    )
    const fail = (error: unknown) => {
      // After its end nobody can be told, and giving up is no fault.
      if (!call.cancelled) respond(toStatus(error, options.decision ?? false, context.report))
    }
    const timedOut = new Promise<never>((_, reject) => {
      over.signal.addEventListener('abort', () => reject(over.signal.reason), { once: true })
    })
    Promise.race([
      Promise.resolve().then(() => handle(callerOf(context, call), call.request, over.signal)),
      timedOut,
    ])
      .then(answer => respond(null, answer), fail)
      .finally(() => clearTimeout(timer))
  }
}

/** Sends one message of a stream; resolves when the next may be made, or when the call is over and it was dropped. */
export type Send<Message> = (message: Message) => Promise<void>

/** A method with a stream of answers. The stream ends when `handle` resolves. */
export function serverStream<Request, Response>(
  context: HandlerContext,
  handle: (caller: Caller, request: Request, send: Send<Response>, signal: AbortSignal) => Promise<void>,
): handleServerStreamingCall<Request, Response> {
  return call => {
    const signal = AbortSignal.any([endOf(call).signal, context.shutdown])
    finish(call, context, false, () =>
      handle(callerOf(context, call), call.request, sender<Response>(call), signal),
    )
  }
}

/** A method with a stream either way. The signal is not that of a shutdown: the call may finish within the server's grace time. */
export function bidiStream<Request, Response>(
  context: HandlerContext,
  handle: (
    caller: Caller,
    requests: AsyncIterator<Request, unknown>,
    send: Send<Response>,
    signal: AbortSignal,
  ) => Promise<void>,
  options: HandlerOptions = {},
): handleBidiStreamingCall<Request, Response> {
  return call => {
    const { signal } = endOf(call)
    finish(call, context, options.decision ?? false, () =>
      handle(callerOf(context, call), requestsOf<Request, Response>(call), sender<Response>(call), signal),
    )
  }
}

/** Runs a stream's handler to its end. grpc-js sends an error's status after what was written before it. */
function finish(
  call: EndingCall & { end(): unknown; emit(event: 'error', error: unknown): boolean },
  context: HandlerContext,
  decision: boolean,
  run: () => Promise<void>,
): void {
  Promise.resolve()
    .then(run)
    .then(
      () => call.end(),
      error => {
        // After its end nobody can be told.
        if (!call.cancelled) call.emit('error', toStatus(error, decision, context.report))
      },
    )
}

function callerOf(context: HandlerContext, call: EndingCall): Caller {
  const caller = context.peers.callerOf(call)
  if (caller !== null) return caller
  throw new DeniedError([{ code: 'CALLER_UNKNOWN', message: 'the kernel did not say who is connected' }])
}

/** One for all calls: without a reason of its own, each abort makes an exception with a stack. */
const CALL_OVER = new DOMException('the call is over', 'AbortError')

function endOf(call: EndingCall): AbortController {
  const over = new AbortController()
  if (call.cancelled) over.abort(CALL_OVER)
  else call.once('cancelled', () => over.abort(CALL_OVER))
  return over
}

/**
 * Writes with backpressure: a caller that does not read stops whoever waits for this promise. A stream that is over never
 * drains, so its end resolves too.
 */
function sender<Message>(
  call: EndingCall & {
    write(message: Message): boolean
    once(event: 'drain', listener: () => void): unknown
    off(event: 'drain' | 'cancelled', listener: () => void): unknown
  },
): Send<Message> {
  return message => {
    if (call.cancelled || call.write(message)) return Promise.resolve()
    return new Promise(resolve => {
      const go = () => {
        call.off('drain', go)
        call.off('cancelled', go)
        resolve()
      }
      call.once('drain', go)
      call.once('cancelled', go)
    })
  }
}

/** What comes in, in order. Leaving it early keeps the call open: its other direction goes on. */
function requestsOf<Request, Response>(
  call: ServerDuplexStream<Request, Response>,
): AsyncIterator<Request, unknown> {
  return call.iterator({ destroyOnReturn: false }) as AsyncIterator<Request, unknown>
}
