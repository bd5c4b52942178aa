import type { PeerCredentials } from './native.ts'

/** Where each execution that may be a parent finds its own, and no other process any (native/launchd/sandbox/mounts.c). */
export const OWN_SOCKET = '/run/writ/parent.sock'

/** The socket on which one execution asks for children. */
export interface OwnSocketOf {
  readonly executionId: string
  /** Listens where no other execution can reach it. Whoever serves on it owns it. */
  readonly descriptor: number
  /** The user that the execution runs as. */
  readonly uid: number
  /** Where its own processes are, and none of its children's. */
  readonly cgroup: string
}

/** A socket that is served. */
export interface OwnSocket {
  /** The descriptor that listens; null once it is closed. */
  descriptor(): number | null
  /** Stops listening, and ends the connections that came in. */
  close(): void
}

/**
 * Why a peer may not ask on the main socket: it is a process of an execution, whose requests hang on what that execution is. A shared uid does not
 * tell it apart from others, its cgroup does; where that is not known, nobody of that uid is served while such an execution lives.
 */
export function processOf(
  executions: readonly { readonly uid: number; readonly cgroup: string }[],
  peer: Pick<PeerCredentials, 'uid' | 'cgroup'>,
): string | null {
  const within = executions.some(({ uid, cgroup }) =>
    peer.cgroup === null ? cgroup !== '' && uid === peer.uid : cgroup !== '' && isIn(peer.cgroup, cgroup),
  )
  return within ? 'a process of an execution' : null
}

function isIn(cgroup: string, top: string): boolean {
  return cgroup === top || cgroup.startsWith(`${top}/`)
}

/**
 * Why a peer is none of the execution's processes, by what the kernel said when it connected; null if it is one. The cgroup decides: a process
 * cannot leave it, and a shared uid is others' too. The uid is that of all its processes, which none of them can change.
 */
export function strangerTo({ uid, cgroup }: OwnSocketOf, peer: PeerCredentials): string | null {
  if (peer.cgroup === null) return 'its cgroup is not known'
  if (!isIn(peer.cgroup, cgroup)) return 'a process of another execution'
  return peer.uid === uid ? null : 'another uid than that of the execution'
}
