import type { AttachRequest } from '../../proto/generated/writ/v1/AttachRequest.ts'
import type { ExecuteRequest } from '../../proto/generated/writ/v1/ExecuteRequest.ts'
import type { ExecuteResponseInput } from '../../proto/generated/writ/v1/ExecuteResponse.ts'
import {
  type AttachStreams,
  type Caller,
  type DaemonCore,
  type ExecuteStreams,
  NotFoundError,
} from '../core.ts'
import { isItsOwn } from './access.ts'
import type { HandlerContext, Send } from './handler.ts'
import { OUTPUT_CHUNK } from './output-message.ts'
import { envelopeOf, executionIdOf, malformed, terminalSizeOf, workloadOf } from './request.ts'

/** Execute: the first message, then the run: input and output each at the pace of whoever reads it. */
export async function execute(
  core: DaemonCore,
  context: HandlerContext,
  caller: Caller,
  requests: AsyncIterator<ExecuteRequest, unknown>,
  send: Send<ExecuteResponseInput>,
  signal: AbortSignal,
): Promise<void> {
  const first = await requests.next()
  const start = first.done ? null : first.value.start
  if (!start) throw malformed('start', 'has to be the first message')
  const violation = new AbortController()
  const over = AbortSignal.any([signal, violation.signal])
  const streams: ExecuteStreams = {
    ...carried(context, caller, requests, send, over, violation),
    terminalSize: start.terminalSize ? terminalSizeOf(start.terminalSize, 'start.terminal_size') : null,
    digest: start.digestStreams,
    started: message => send({ started: message }),
  }
  const ended = await core.execute(
    caller,
    envelopeOf(start.artifact),
    workloadOf(start.workload),
    streams,
    over,
  )
  if (violation.signal.aborted) throw notStdin()
  // What is detached, or was handed over, has no more to say here.
  if (ended !== null) await send({ ended })
}

/** Attach: which execution, then the rest of its run. */
export async function attach(
  core: DaemonCore,
  context: HandlerContext,
  caller: Caller,
  requests: AsyncIterator<AttachRequest, unknown>,
  send: Send<ExecuteResponseInput>,
  signal: AbortSignal,
): Promise<void> {
  const first = await requests.next()
  const start = first.done ? null : first.value.start
  if (!start) throw malformed('start', 'has to be the first message')
  const executionId = executionIdOf(start.executionId)
  const terminalSize = start.terminalSize ? terminalSizeOf(start.terminalSize, 'start.terminal_size') : null
  // Whoever it is not for does not learn whether there is one.
  if (!isItsOwn(caller, core.executionOwner(executionId))) throw new NotFoundError(`execution ${executionId}`)
  const violation = new AbortController()
  const over = AbortSignal.any([signal, violation.signal])
  const streams: AttachStreams = {
    ...carried(context, caller, requests, send, over, violation),
    terminalSize,
    attached: message => send({ attached: message }),
  }
  const ended = await core.attach(caller, { executionId, token: start.attachToken }, streams, over)
  if (violation.signal.aborted) throw notStdin()
  if (ended !== null) await send({ ended })
}

/**
 * What Execute and Attach have in common.
 *
 * @param over the call, or its caller's right to it
 * @param violation of the caller, by what is not stdin: it ends the execution, and is what the caller is told in the end
 */
function carried(
  context: HandlerContext,
  caller: Caller,
  requests: AsyncIterator<ExecuteRequest | AttachRequest, unknown>,
  send: Send<ExecuteResponseInput>,
  over: AbortSignal,
  violation: AbortController,
): Omit<ExecuteStreams, 'started' | 'digest' | 'terminalSize'> {
  return {
    stdin: stdinOf(requests, over, () => violation.abort()),
    // The workload's own pace holds its caller back. The quota is for what nobody has permitted.
    stdinTaken: bytes => context.credit(caller, bytes),
    stdinClosed: () => void send({ stdinClosed: {} }),
    output: async (stream, bytes) => {
      for (let at = 0; at < bytes.length && !over.aborted; at += OUTPUT_CHUNK) {
        await send({ [stream]: bytes.subarray(at, at + OUTPUT_CHUNK) })
      }
    },
    handedOver: stdinBytes => send({ handedOver: { stdinBytes: String(stdinBytes) } }),
  }
}

const notStdin = () => malformed('message', 'after the first has to be stdin')

/** Standard input until the caller's half-close, or until the call is over: the signal says the difference. */
async function* stdinOf(
  requests: AsyncIterator<ExecuteRequest | AttachRequest, unknown>,
  over: AbortSignal,
  violate: () => void,
): AsyncGenerator<Buffer, void, undefined> {
  while (!over.aborted) {
    let next: IteratorResult<ExecuteRequest | AttachRequest, unknown>
    try {
      next = await requests.next()
    } catch {
      // The iterator reports the destroyed stream of a call that is over as a premature close.
      return
    }
    if (next.done) return
    if (next.value.message !== 'stdin' || next.value.stdin === undefined) return violate()
    if (next.value.stdin.length > 0) yield next.value.stdin
  }
}
