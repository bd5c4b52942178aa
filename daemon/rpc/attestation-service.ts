import type { AttestationServiceHandlers } from '../../proto/generated/writ/v1/AttestationService.ts'
import type { DaemonCore } from '../core.ts'
import { mayTouch } from './access.ts'
import { type HandlerContext, serverStream, unary } from './handler.ts'
import { malformed } from './request.ts'

/** Length of a report's nonce: that of the hash which binds it. */
const NONCE_BYTES = 32
/** From how many bytes on a piece of a report is sent. */
const CHUNK_BYTES = 256 * 1024

/** `writ.v1.AttestationService` over the daemon. Open to every caller: it says nothing that a caller could not be told; of
 * executions a report lists those that the caller may see. */
export function attestationService(core: DaemonCore, context: HandlerContext): AttestationServiceHandlers {
  return {
    GetStatus: unary(context, () => ({ status: core.getStatus() })),

    WatchStatus: serverStream(context, async (_caller, _request, send, signal) => {
      for await (const status of core.watchStatus(signal)) await send({ status })
    }),

    GetReport: serverStream(context, async (caller, request, send, signal) => {
      if (request.nonce.length !== NONCE_BYTES) throw malformed('nonce', `has to have ${NONCE_BYTES} bytes`)
      const pieces = await core.getReport(caller, {
        nonce: request.nonce,
        known: {
          imaEntries: request.knownImaEntries,
          resetCount: request.knownResetCount,
          treeSize: BigInt(request.knownTreeSize),
        },
        visible: owner => mayTouch(caller, owner),
      })
      for (const chunk of joined(pieces, CHUNK_BYTES)) {
        if (signal.aborted) return
        await send({ chunk })
      }
    }),
  }
}

/** The same bytes in pieces that a message is worth: none below `size` but the last. */
function* joined(pieces: Iterable<Buffer>, size: number): Generator<Buffer, void> {
  let waiting: Buffer[] = []
  let bytes = 0
  for (const piece of pieces) {
    waiting.push(piece)
    bytes += piece.length
    if (bytes < size) continue
    yield Buffer.concat(waiting)
    waiting = []
    bytes = 0
  }
  if (bytes > 0) yield Buffer.concat(waiting)
}
