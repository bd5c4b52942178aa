import type { Logger } from 'pino'
import type { DaemonCore } from '../core.ts'
import type { TrustReason } from '../gate.ts'
import type { DaemonParts } from '../parts.ts'
import type { Late } from '../progress.ts'
import type { SafeSocket } from '../rpc/socket.ts'
import { SocketError } from '../rpc/socket-error.ts'
import { type Before, collect } from './collect.ts'
import { watchEventLoop } from './event-loop.ts'
import { metricsServer } from './http.ts'
import type { Instruments } from './instruments.ts'
import { listenForMetrics } from './listen.ts'

export interface MetricsServiceOptions {
  readonly instruments: Instruments
  readonly before: Before
  /** The daemon, once it is put together. */
  readonly parts: () => DaemonParts | null
  /** Whoever tells the status now. */
  readonly core: () => Pick<DaemonCore, 'getStatus'> | null
  readonly late: () => Late | null
  /** The socket that the service manager passed. */
  readonly passed: number | null
  /** Of a socket that the daemon makes itself. */
  readonly path: string | null
  /** Resolves when the daemon has been put together, or takes its time: one that does not start says why, and nothing else. */
  readonly started: Promise<unknown>
  readonly log: Pick<Logger, 'debug' | 'error'>
}

/**
 * Serves metrics and probes from the first moment of the daemon to its last. What is wrong with their socket keeps nothing else from running: it is
 * told, and nothing is served there.
 *
 * @returns null if nothing is served
 */
export async function serveMetrics(options: MetricsServiceOptions): Promise<SafeSocket | null> {
  const { instruments, before, parts, core, late, passed, path, started, log } = options
  watchEventLoop(instruments)
  if (passed === null && path === null) return null
  const sources = {
    metrics: async () => {
      await collect(instruments, before, parts())
      return instruments.page()
    },
    late,
    status: () => core()?.getStatus() ?? null,
    denying: () => denying(parts()),
  }
  const server = metricsServer(sources, err => log.error({ err }, 'metrics could not be told'))
  try {
    const socket = await listenForMetrics(server, passed, path)
    log.debug({ socket: socket?.path }, 'serving metrics')
    return socket
  } catch (error) {
    const why = error instanceof SocketError ? { code: error.code, reason: error.message } : { err: error }
    void started.then(() => log.error({ event: 'metrics-failed', ...why }, 'no metrics are served'))
    return null
  }
}

/** Until the daemon is there its status says why nothing is permitted. */
function denying(parts: DaemonParts | null): readonly TrustReason[] {
  if (parts === null) return []
  const { decider, leaving } = parts
  const stops = { code: 'STARTING', message: 'the daemon stops' }
  return [...(leaving.isLeaving ? [stops] : []), ...decider.standing()]
}
