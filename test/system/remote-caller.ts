import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { api, CallError, WritClient } from '../../proto/client.ts'
import type { WorkloadInput } from '../../proto/generated/writ/v1/Workload.ts'

/** What one call came to. */
export interface Result<T = Record<string, unknown>> {
  readonly answer?: T
  /** All answers of a stream. */
  readonly answers?: T[]
  readonly error?: { code: string; status: string; message: string; reasons: string[] }
}

interface Order {
  readonly id: number
  readonly connection: number
  readonly kind: 'call' | 'read' | 'execute' | 'report'
  readonly service: keyof typeof api
  readonly method: string
  readonly request: object
  /** A stream that does not end by itself is left after this long. */
  readonly withinMs: number
}

/** A process of its own under a uid of its own, with any number of connections to the daemon. */
export class RemoteCaller {
  readonly uid: number
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, (result: Result) => void>()
  #next = 0

  constructor(socket: string, uid: number) {
    this.uid = uid
    this.#child = fork(fileURLToPath(import.meta.url), [socket], {
      uid,
      gid: uid,
      execArgv: [],
      serialization: 'advanced',
    })
    this.#child.on('message', message => {
      const { id, result } = message as { id: number; result: Result }
      this.#waiting.get(id)?.(result)
      this.#waiting.delete(id)
    })
  }

  /** A call with one answer. */
  call<T>(service: keyof typeof api, method: string, request: object, connection = 0): Promise<Result<T>> {
    return this.#order({ kind: 'call', service, method, request, connection, withinMs: 0 })
  }

  /** A call with many answers, for as long as it lasts or `withinMs`. */
  read<T>(service: keyof typeof api, method: string, request: object, withinMs: number): Promise<Result<T>> {
    return this.#order({ kind: 'read', service, method, request, connection: 0, withinMs })
  }

  /** A report of the host, as a file. */
  report(request: object, connection = 0): Promise<Result<Buffer>> {
    return this.#order({
      ...{ kind: 'report', service: 'attestation', method: 'GetReport' },
      ...{ request, connection, withinMs: 0 },
    })
  }

  /** Runs a workload to its end. */
  execute(
    artifact: Uint8Array,
    workload: WorkloadInput,
    connection = 0,
  ): Promise<Result<Record<string, unknown>>> {
    const request = { artifact, workload }
    return this.#order({
      ...{ kind: 'execute', service: 'execution', method: 'Execute' },
      ...{ request, connection, withinMs: 0 },
    })
  }

  close(): void {
    this.#child.kill('SIGKILL')
  }

  #order<T>(order: Omit<Order, 'id'>): Promise<Result<T>> {
    const id = this.#next++
    return new Promise(resolve => {
      this.#waiting.set(id, result => resolve(result as Result<T>))
      this.#child.send({ ...order, id })
    })
  }
}

async function carryOut(client: WritClient, order: Order): Promise<Result> {
  const { kind, service, method, request, withinMs } = order
  const definition = (api[service] as unknown as Record<string, never>)[method] as never
  const answers: Record<string, unknown>[] = []
  const over = withinMs > 0 ? AbortSignal.timeout(withinMs) : new AbortController().signal
  try {
    if (kind === 'call') return { answer: await client.call(definition, request) }
    if (kind === 'report') return { answer: (await client.report(request)) as never }
    if (kind === 'execute') {
      const call = client.executeCall(request)
      call.endStdin()
      for await (const answer of call.answers) answers.push(answer as unknown as Record<string, unknown>)
    } else {
      for await (const answer of client.read(definition, request, { signal: over }))
        answers.push(answer as Record<string, unknown>)
    }
    return { answers }
  } catch (error) {
    if (over.aborted) return { answers }
    if (!(error instanceof CallError)) throw error
    const { code, status, message } = error
    return { answers, error: { code, status, message, reasons: error.reasons.map(({ code }) => code) } }
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const socket = process.argv[2] ?? ''
  const clients = new Map<number, WritClient>()
  process.on('disconnect', () => process.exit(0))
  process.on('message', (order: Order) => {
    const client = clients.get(order.connection) ?? new WritClient(socket)
    clients.set(order.connection, client)
    void carryOut(client, order).then(result => process.send?.({ id: order.id, result }))
  })
}
