import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Duplex, Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import {
  Client,
  credentials,
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
} from '@grpc/grpc-js'
import { STREAM_WINDOW } from '../proto/client/channel.ts'

const asItIs = (bytes: Buffer) => bytes
/** Bytes of a program's streams, nothing else: the first message is what to run. */
const METHOD = {
  path: '/bench.Bare/Run',
  requestStream: true,
  responseStream: true,
  requestSerialize: asItIs,
  requestDeserialize: asItIs,
  responseSerialize: asItIs,
  responseDeserialize: asItIs,
} as const

/** What no stream of a program over grpc-js can be cheaper than: nothing is decided, parsed, kept or counted. */
export class BareStream {
  readonly #server: ChildProcess
  readonly #client: Client

  private constructor(server: ChildProcess, socket: string) {
    this.#server = server
    // As proto/client.ts has it.
    this.#client = new Client(`unix:${socket}`, credentials.createInsecure(), {
      'grpc.enable_channelz': 0,
      'grpc.enable_retries': 0,
      'grpc.use_local_subchannel_pool': 1,
      'grpc-node.flow_control_window': STREAM_WINDOW,
    })
  }

  static async start(socket: string): Promise<BareStream> {
    const server = fork(fileURLToPath(import.meta.url), [socket], { execArgv: ['--max-semi-space-size=1'] })
    await once(server, 'message')
    return new BareStream(server, socket)
  }

  /** Runs a program, gives it what `input` yields, and gives what it writes to `take`. */
  async run(argv: readonly string[], input: Iterable<Buffer>, take: (bytes: Buffer) => void): Promise<void> {
    const call = this.#client.makeBidiStreamRequest(METHOD.path, asItIs, asItIs, new Metadata())
    call.write(Buffer.from(JSON.stringify(argv)))
    call.on('data', take)
    const ended = once(call, 'end')
    for (const piece of input) if (!call.write(piece)) await once(call, 'drain')
    call.end()
    await ended
  }

  async close(): Promise<void> {
    this.#client.close()
    const gone = once(this.#server, 'exit')
    this.#server.kill('SIGKILL')
    await gone
  }
}

function serve(call: ServerDuplexStream<Buffer, Buffer>): void {
  // Its type leaves out what it inherits.
  const both = call as unknown as Duplex
  call.once('data', (first: Buffer) => {
    const [program = '', ...args] = JSON.parse(first.toString()) as string[]
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    carry(both, child.stdin)
    call.on('end', () => child.stdin.end())
    carry(child.stdout, both)
    child.stdout.on('end', () => call.end())
  })
}

function carry(from: Readable, to: Writable): void {
  from.on('data', piece => {
    if (!to.write(piece)) from.pause()
  })
  to.on('drain', () => from.resume())
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const server = new Server({ 'grpc.enable_channelz': 0 })
  server.addService({ Run: METHOD }, { Run: serve })
  server.bindAsync(`unix:${process.argv[2]}`, ServerCredentials.createInsecure(), error => {
    if (error !== null) throw error
    process.send?.('ready')
  })
  process.on('disconnect', () => process.exit(0))
}
