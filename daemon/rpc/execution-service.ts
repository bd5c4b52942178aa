import type { ExecuteRequest } from '../../proto/generated/writ/v1/ExecuteRequest.ts'
import type { ExecuteResponseInput } from '../../proto/generated/writ/v1/ExecuteResponse.ts'
import type { ExecutionInput } from '../../proto/generated/writ/v1/Execution.ts'
import type { ExecutionServiceHandlers } from '../../proto/generated/writ/v1/ExecutionService.ts'
import type { ReadOutputResponseInput } from '../../proto/generated/writ/v1/ReadOutputResponse.ts'
import { type Caller, type DaemonCore, type ExecuteStreams, NotFoundError } from '../core.ts'
import type { OutputPiece } from '../output-tail.ts'
import { mayTouch } from './access.ts'
import { bidiStream, type HandlerContext, type Send, serverStream, unary } from './handler.ts'
import { OUTPUT_CHUNK } from './output-message.ts'
import {
  envelopeOf,
  executionIdOf,
  malformed,
  outputStreamOf,
  signalOf,
  terminalSizeOf,
  workloadOf,
} from './request.ts'

/** Largest piece of a receipt in one message. */
const RECEIPT_CHUNK = 256 * 1024
/** How long Terminate waits for the confirmed death of what it has ordered to be killed. */
const TERMINATE_WAIT_MS = 10_000

/** `writ.v1.ExecutionService` over the daemon. */
export function executionService(core: DaemonCore, context: HandlerContext): ExecutionServiceHandlers {
  const visible = (caller: Caller) => (execution: ExecutionInput) =>
    mayTouch(caller, core.executionOwner(execution.executionId ?? ''))
  const find = (caller: Caller, id: string): ExecutionInput => {
    const execution = core.getExecution(executionIdOf(id))
    if (execution === null || !visible(caller)(execution)) throw new NotFoundError(`execution ${id}`)
    return execution
  }
  return {
    Authorize: unary(
      context,
      async (caller, request, signal) => {
        const permit = await core.authorize(
          caller,
          envelopeOf(request.artifact),
          workloadOf(request.workload),
          signal,
        )
        return {
          artifact: permit.artifact ?? Buffer.alloc(0),
          artifactDigest: permit.artifactDigest,
          notAfter: permit.notAfter,
          decisionIndex: permit.decisionIndex.toString(),
        }
      },
      { decision: true },
    ),

    Execute: bidiStream(
      context,
      (caller, requests, send, signal) => execute(core, context, caller, requests, send, signal),
      {
        decision: true,
      },
    ),

    Get: unary(context, (caller, request) => ({ execution: find(caller, request.executionId) })),

    List: unary(context, (caller, request) => {
      const limit = request.pageSize === 0 ? 100 : request.pageSize
      if (limit > 1000) throw malformed('page_size', 'is above 1000')
      const after = request.pageToken === '' ? null : executionIdOf(request.pageToken)
      // One more than asked for says whether there is another page.
      const found = core.listExecutions({
        visible: visible(caller),
        includeEnded: request.includeEnded,
        limit: limit + 1,
        after,
      })
      const executions = found.slice(0, limit)
      const nextPageToken = found.length > limit ? (executions.at(-1)?.executionId ?? '') : ''
      return { executions, nextPageToken }
    }),

    Terminate: unary(context, async (caller, request, signal) => {
      find(caller, request.executionId)
      const wait = AbortSignal.any([signal, AbortSignal.timeout(TERMINATE_WAIT_MS)])
      return { execution: await core.terminate(caller, request.executionId, wait) }
    }),

    Signal: unary(context, async (caller, request) => {
      find(caller, request.executionId)
      await core.signalExecution(request.executionId, signalOf(request.signal))
      return {}
    }),

    Resize: unary(context, (caller, request) => {
      find(caller, request.executionId)
      core.resizeTerminal(request.executionId, terminalSizeOf(request.size, 'size'))
      return {}
    }),

    CloseOutput: unary(context, (caller, request) => {
      find(caller, request.executionId)
      core.closeOutput(request.executionId, outputStreamOf(request.stream))
      return {}
    }),

    ReadOutput: serverStream(context, async (caller, request, send, signal) => {
      const executionId = executionIdOf(request.executionId)
      // Files outlast the daemon that knew the execution.
      const owner = await core.pastOwner(executionId, null)
      if (owner === null || !mayTouch(caller, owner)) throw new NotFoundError(`execution ${executionId}`)
      const pieces = core.readOutput(request.executionId, request.follow, signal)
      if (pieces === null) throw new NotFoundError(`execution ${request.executionId}`)
      for await (const piece of pieces) {
        // It may go on for long, and whoever was an auditor at its begin may not be one now.
        if (!mayTouch(caller, owner)) throw new NotFoundError(`execution ${request.executionId}`)
        await send(outputMessage(piece))
      }
    }),

    GetReceipt: serverStream(context, async (caller, request, send, signal) => {
      const executionId = executionIdOf(request.executionId)
      // Receipts outlast the daemon that knew the execution.
      const decision = request.decisionIndex === undefined ? null : BigInt(request.decisionIndex)
      const owner = await core.pastOwner(executionId, decision)
      if (!mayTouch(caller, owner)) throw new NotFoundError(`execution ${executionId}`)
      const receipt = await core.getReceipt(
        caller,
        { executionId, decision, auditor: caller.auditor },
        signal,
      )
      for (let at = 0; at < receipt.length && !signal.aborted; at += RECEIPT_CHUNK)
        await send({ chunk: receipt.subarray(at, at + RECEIPT_CHUNK) })
    }),

    Watch: serverStream(context, async (caller, request, send, signal) => {
      const only = request.executionId === '' ? null : find(caller, request.executionId)
      // Subscribed before the state is looked at again, so that no change falls between.
      const changes = core.watchExecutions(signal)
      if (only?.state === 'EXECUTION_STATE_ENDED') return send({ execution: only })
      for await (const execution of changes) {
        if (only !== null && execution.executionId !== only.executionId) continue
        if (!visible(caller)(execution)) continue
        await send({ execution })
        if (only !== null && execution.state === 'EXECUTION_STATE_ENDED') return
      }
    }),
  }
}

function outputMessage(piece: OutputPiece): ReadOutputResponseInput {
  if (piece.kind === 'bytes') return { [piece.stream]: piece.bytes }
  return { gap: { stdoutBytes: String(piece.gap.stdout), stderrBytes: String(piece.gap.stderr) } }
}

/** The first message, then the run: input and output each at the pace of whoever reads it. */
async function execute(
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
  // What is not stdin ends the execution, and is what the caller is told in the end.
  const violation = new AbortController()
  const over = AbortSignal.any([signal, violation.signal])
  const streams: ExecuteStreams = {
    stdin: stdinOf(requests, over, () => violation.abort()),
    terminalSize: start.terminalSize ? terminalSizeOf(start.terminalSize, 'start.terminal_size') : null,
    digest: start.digestStreams,
    // The workload's own pace holds its caller back. The quota is for what nobody has permitted.
    stdinTaken: bytes => context.credit(caller, bytes),
    stdinClosed: () => void send({ stdinClosed: {} }),
    started: message => send({ started: message }),
    output: async (stream, bytes) => {
      for (let at = 0; at < bytes.length && !over.aborted; at += OUTPUT_CHUNK) {
        await send({ [stream]: bytes.subarray(at, at + OUTPUT_CHUNK) })
      }
    },
  }
  const ended = await core.execute(
    caller,
    envelopeOf(start.artifact),
    workloadOf(start.workload),
    streams,
    over,
  )
  if (violation.signal.aborted) throw malformed('message', 'after the first has to be stdin')
  // What is detached has no more to say here.
  if (ended !== null) await send({ ended })
}

/** Standard input until the caller's half-close, or until the call is over: the signal says the difference. */
async function* stdinOf(
  requests: AsyncIterator<ExecuteRequest, unknown>,
  over: AbortSignal,
  violate: () => void,
): AsyncGenerator<Buffer, void, undefined> {
  while (!over.aborted) {
    let next: IteratorResult<ExecuteRequest, unknown>
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
