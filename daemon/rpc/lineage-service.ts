import type { LineageServiceHandlers } from '../../proto/generated/writ/v1/LineageService.ts'
import { type DaemonCore, NotFoundError } from '../core.ts'
import { mayTouch, requireAuditor } from './access.ts'
import { RequestError } from './errors.ts'
import { type HandlerContext, serverStream, unary } from './handler.ts'
import { digestOf, eventTypesOf, instantOf, malformed } from './request.ts'

/** Largest piece of a blob in one message. */
const BLOB_CHUNK = 256 * 1024

/**
 * `writ.v1.LineageService` over the daemon. Hashes, proofs and checkpoints are for everybody (they say nothing of what was
 * done); entries are for whom they concern; blobs are for auditors.
 */
export function lineageService(core: DaemonCore, context: HandlerContext): LineageServiceHandlers {
  return {
    GetCheckpoint: unary(context, async (caller, request) => {
      // Signing takes the TPM's time.
      if (request.fresh) requireAuditor(caller)
      const checkpoint = await core.getCheckpoint(request.fresh)
      if (checkpoint === null) throw new NotFoundError('checkpoint')
      return { note: checkpoint.note, size: checkpoint.size.toString(), root: checkpoint.root }
    }),

    ReadEntries: serverStream(context, async (caller, request, send, signal) => {
      const size = core.lineageSize()
      const types = eventTypesOf(request.types)
      let from = BigInt(request.from)
      let to = request.to === '0' ? size : BigInt(request.to)
      if (from > to || to > size) throw outOfRange(`entries ${from} to ${to} of ${size}`)
      if (request.follow && request.to !== '0') throw malformed('follow', 'goes with no end')
      for (;;) {
        for await (const entry of core.readEntries(from, to, types, signal)) {
          if (signal.aborted) return
          if (!mayTouch(caller, entry.owner)) continue
          await send({ index: entry.index.toString(), entry: entry.bytes })
        }
        if (!request.follow) return
        from = to
        await core.lineageGrown(from, signal)
        to = core.lineageSize()
        // Nothing more comes: the lineage is closed, or can no longer be written.
        if (signal.aborted || to === from) return
      }
    }),

    LocateEntries: unary(context, async (_caller, request) => {
      const since = instantOf(request.since, 'since')
      const until = instantOf(request.until, 'until')
      const { from, to } = await core.locateEntries(since, until)
      return { from: from.toString(), to: to.toString(), size: core.lineageSize().toString() }
    }),

    GetInclusionProof: unary(context, async (caller, request) => {
      const size = treeSize(core, request.treeSize)
      const index = BigInt(request.index)
      if (index >= size) throw outOfRange(`entry ${index} of ${size}`)
      if (!mayTouch(caller, await core.entryOwner(index))) throw new NotFoundError(`entry ${index}`)
      const { leafHash, hashes } = await core.inclusionProof(index, size)
      return { treeSize: size.toString(), leafHash, hashes }
    }),

    GetConsistencyProof: unary(context, async (_caller, request) => {
      const newSize = treeSize(core, request.newSize)
      const oldSize = BigInt(request.oldSize)
      if (oldSize < 1n || oldSize > newSize) throw outOfRange(`a tree of ${oldSize} within one of ${newSize}`)
      return { newSize: newSize.toString(), hashes: await core.consistencyProof(oldSize, newSize) }
    }),

    GetBlob: serverStream(context, async (caller, request, send, signal) => {
      requireAuditor(caller)
      const blob = await core.getBlob(digestOf(request.digest))
      if (blob === null) throw new NotFoundError(`blob ${request.digest}`)
      for (let at = 0; at < blob.length && !signal.aborted; at += BLOB_CHUNK) {
        await send({ chunk: blob.subarray(at, at + BLOB_CHUNK) })
      }
    }),
  }
}

/** A tree's size as it was asked for; 0 means the tree as it is now. */
function treeSize(core: DaemonCore, text: string): bigint {
  const size = core.lineageSize()
  const asked = text === '0' ? size : BigInt(text)
  if (asked > size) throw outOfRange(`a tree of ${asked}, there are ${size} entries`)
  return asked
}

function outOfRange(what: string): RequestError {
  return new RequestError('OUT_OF_RANGE', `${what} is out of range`)
}
