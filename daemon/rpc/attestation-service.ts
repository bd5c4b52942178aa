import type { AttestationServiceHandlers } from '../../proto/generated/writ/v1/AttestationService.ts'
import type { DaemonCore } from '../core.ts'
import { type HandlerContext, serverStream, unary } from './handler.ts'
import { malformed } from './request.ts'

/** Length of a report's nonce: that of the hash which binds it. */
const NONCE_BYTES = 32

/** `writ.v1.AttestationService` over the daemon. Open to every caller: it says nothing that a caller could not be told. */
export function attestationService(core: DaemonCore, context: HandlerContext): AttestationServiceHandlers {
  return {
    GetStatus: unary(context, () => ({ status: core.getStatus() })),

    WatchStatus: serverStream(context, async (_caller, _request, send, signal) => {
      for await (const status of core.watchStatus(signal)) await send({ status })
    }),

    GetReport: unary(context, (caller, request, signal) => {
      if (request.nonce.length !== NONCE_BYTES) throw malformed('nonce', `has to have ${NONCE_BYTES} bytes`)
      return core.getReport(caller, request.nonce, signal)
    }),
  }
}
