import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { LogLevels } from '../../../daemon/log/log-level.ts'
import type { Acceptor, ListenOptions } from '../../../daemon/rpc/acceptor.ts'
import type { QuotaLimits } from '../../../daemon/rpc/quota.ts'
import { type RpcLimits, RpcServer } from '../../../daemon/rpc/server.ts'
import { WritClient } from '../../../proto/client.ts'
import { MemoryCore } from './memory-core.ts'

export const GENEROUS: QuotaLimits = {
  requestsPerSecond: 100_000,
  requestBurst: 100_000,
  bytesPerSecond: 1 << 30,
  byteBurst: 1 << 30,
  connections: 1000,
  calls: 1000,
}

/** A server with its own directory and socket, and what it logged. */
export interface Rig {
  readonly core: MemoryCore
  readonly levels: LogLevels
  readonly server: RpcServer
  readonly acceptor: Acceptor
  readonly socket: string
  readonly directory: string
  readonly errors: unknown[]
  readonly warnings: string[]
  client(): WritClient
  stop(): Promise<void>
}

export interface RigOptions {
  quota?: Partial<QuotaLimits>
  limits?: Partial<RpcLimits>
  listen?: Partial<ListenOptions>
  unaryTimeoutMs?: () => number
}

export async function startRig(options: RigOptions = {}): Promise<Rig> {
  const directory = mkdtempSync(join(tmpdir(), 'writ-rpc-'))
  // Callers of other uids have to get to the socket's own directory below.
  chmodSync(directory, 0o755)
  const core = new MemoryCore()
  const errors: unknown[] = []
  const warnings: string[] = []
  const levels = new LogLevels(pino({ level: 'info' }, { write: () => undefined }), () => 'info')
  const server = new RpcServer({
    core,
    quota: { ...GENEROUS, ...options.quota },
    levels,
    ...(options.limits === undefined ? {} : { limits: options.limits }),
    ...(options.unaryTimeoutMs === undefined ? {} : { unaryTimeoutMs: options.unaryTimeoutMs }),
    log: {
      warn: (_fields, message) => warnings.push(message),
      error: fields => errors.push(fields),
    },
  })
  const acceptor = await server.listen({
    path: join(directory, 'run', 'writd.sock'),
    access: 'all',
    parentExecution: null,
    roles: uid => ({ governor: uid === 0, auditor: uid === 0 }),
    refuse: () => null,
    ...options.listen,
  })
  const clients: WritClient[] = []
  return {
    core,
    levels,
    server,
    acceptor,
    socket: acceptor.path,
    directory,
    errors,
    warnings,
    client: () => {
      const client = new WritClient(acceptor.path)
      clients.push(client)
      return client
    },
    stop: async () => {
      for (const client of clients) client.close()
      await server.close(200)
      rmSync(directory, { recursive: true, force: true })
    },
  }
}
