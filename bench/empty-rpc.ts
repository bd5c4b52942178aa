import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Client, credentials, Metadata, Server, ServerCredentials } from '@grpc/grpc-js'

/** A call with nothing in it and nothing to do: what no call over grpc-js can be cheaper than. */
const METHOD = {
  path: '/bench.Empty/Call',
  requestStream: false,
  responseStream: false,
  requestSerialize: (message: Buffer) => message,
  requestDeserialize: (bytes: Buffer) => bytes,
  responseSerialize: (message: Buffer) => message,
  responseDeserialize: (bytes: Buffer) => bytes,
} as const
const EMPTY = Buffer.alloc(0)

/** A server in a process of its own on a Unix socket, as the daemon is, and one connection to it. */
export class EmptyRpc {
  readonly #server: ChildProcess
  readonly #client: Client

  private constructor(server: ChildProcess, socket: string) {
    this.#server = server
    // As proto/client.ts has it.
    this.#client = new Client(`unix:${socket}`, credentials.createInsecure(), {
      'grpc.enable_channelz': 0,
      'grpc.enable_retries': 0,
      'grpc.use_local_subchannel_pool': 1,
    })
  }

  static async start(socket: string): Promise<EmptyRpc> {
    const server = fork(fileURLToPath(import.meta.url), [socket])
    await once(server, 'message')
    return new EmptyRpc(server, socket)
  }

  call(): Promise<void> {
    return new Promise((resolve, reject) => {
      const { path, requestSerialize, responseDeserialize } = METHOD
      this.#client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        EMPTY,
        new Metadata(),
        { deadline: Date.now() + 30_000 },
        error => (error === null ? resolve() : reject(error)),
      )
    })
  }

  async close(): Promise<void> {
    this.#client.close()
    const gone = once(this.#server, 'exit')
    this.#server.kill('SIGKILL')
    await gone
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const server = new Server({ 'grpc.enable_channelz': 0 })
  server.addService(
    { Call: METHOD },
    { Call: (_call: unknown, respond: (e: null, b: Buffer) => void) => respond(null, EMPTY) },
  )
  server.bindAsync(`unix:${process.argv[2]}`, ServerCredentials.createInsecure(), error => {
    if (error !== null) throw error
    process.send?.('ready')
  })
  process.on('disconnect', () => process.exit(0))
}
