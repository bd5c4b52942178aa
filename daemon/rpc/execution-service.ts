import type { ExecutionInput } from '../../proto/generated/writ/v1/Execution.ts'
import type { ExecutionServiceHandlers } from '../../proto/generated/writ/v1/ExecutionService.ts'
import type { ReadOutputResponseInput } from '../../proto/generated/writ/v1/ReadOutputResponse.ts'
import { type Caller, type DaemonCore, NotFoundError } from '../core.ts'
import type { OutputPiece } from '../output-tail.ts'
import { mayTouch } from './access.ts'
import { attach, execute } from './execute-call.ts'
import { bidiStream, type HandlerContext, serverStream, unary } from './handler.ts'
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

    Attach: bidiStream(context, (caller, requests, send, signal) =>
      attach(core, context, caller, requests, send, signal),
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
