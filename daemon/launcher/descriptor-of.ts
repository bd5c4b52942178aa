import type { Server, Socket } from 'node:net'

interface WithHandle {
  readonly _handle?: { readonly fd?: number } | null
}

/**
 * The descriptor under a stream or a listening server of node:net, as long as that is open; null afterwards, when its number may be another's.
 *
 * The handle is undocumented, and what `daemon/rpc/peer.ts` takes the peer's identity from as well.
 */
export function descriptorOf(holder: Socket | Server | null): number | null {
  const fd = (holder as WithHandle | null)?._handle?.fd
  return fd === undefined || fd < 0 ? null : fd
}
