import type { ServiceError } from '@grpc/grpc-js'
import { CallError, TransportError, toCallError } from '../call-error.ts'

/** What the two kinds of calls with a stream of answers have in common. */
export interface ReadableCall extends AsyncIterable<unknown> {
  cancel(): void
  on(event: 'error', listener: (error: ServiceError) => void): unknown
  on(event: 'status', listener: () => void): unknown
}

/** What a call is told that its caller's signal ended. A signal may carry the error itself. */
export function cancelledBy(signal: AbortSignal): CallError {
  if (signal.reason instanceof CallError) return signal.reason
  return new TransportError('CANCELLED', 'cancelled by the caller', { cause: signal.reason })
}

/**
 * The messages of a call in order, then its error if there is one. grpc-js emits `error` on its own, at any time and without
 * destroying the stream, so it has to be listened for from the beginning and looked at after the last message. A message
 * that is not asked for is not read: the sender is held back.
 *
 * @throws CallError
 */
export function answers<Output>(
  call: ReadableCall,
  signal?: AbortSignal,
): AsyncGenerator<Output, void, undefined> {
  let failure: ServiceError | null = null
  call.on('error', error => {
    failure ??= error
  })
  const finished = new Promise<void>(resolve => {
    call.on('status', resolve)
  })
  const cancel = () => call.cancel()
  if (signal?.aborted) cancel()
  else signal?.addEventListener('abort', cancel, { once: true })
  return (async function* () {
    try {
      try {
        for await (const message of call) yield message as Output
      } catch (error) {
        failure ??= error as ServiceError
      }
      if (failure === null) await finished
      if (failure !== null) throw signal?.aborted ? cancelledBy(signal) : toCallError(failure)
    } finally {
      signal?.removeEventListener('abort', cancel)
      call.cancel()
    }
  })()
}
