import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { WritClient } from '../proto/client.ts'
import { BareStream } from './bare-stream.ts'

/** Bytes of one turn. */
export const BYTES = 64 * 1024 * 1024
/** What writes them, and what reads them and says how many there were. */
export const PROGRAMS = {
  output: ['/usr/bin/head', '-c', String(BYTES), '/dev/zero'],
  input: ['/usr/bin/wc', '-c'],
} as const
export type Direction = keyof typeof PROGRAMS
/** Through Execute; over grpc-js and nothing else; from a pipe. */
export type Way = 'execute' | 'bare' | 'pipe'

interface Turn {
  readonly way: Way
  readonly direction: Direction
  /** In base64. */
  readonly artifact: string
}

/** A process that calls, as `writ` does and with the same flags. It takes the time itself. */
export class StreamCaller {
  readonly #process: ChildProcess

  private constructor(process: ChildProcess) {
    this.#process = process
  }

  /** @param bare path of the socket of the server that is compared with */
  static async start(socket: string, bare: string): Promise<StreamCaller> {
    const caller = fork(fileURLToPath(import.meta.url), [socket, bare], {
      execArgv: ['--max-semi-space-size=1'],
    })
    await once(caller, 'message')
    return new StreamCaller(caller)
  }

  /** Milliseconds of one turn. */
  async turn(way: Way, direction: Direction, artifact: Buffer): Promise<number> {
    const turn: Turn = { way, direction, artifact: artifact.toString('base64') }
    const answer = once(this.#process, 'message')
    this.#process.send(turn)
    const [ms] = await answer
    if (typeof ms !== 'number') throw new Error(String(ms))
    return ms
  }

  async close(): Promise<void> {
    const gone = once(this.#process, 'exit')
    this.#process.disconnect()
    await gone
  }
}

function* pieces(): Generator<Buffer> {
  const piece = Buffer.alloc(64 * 1024)
  for (let sent = 0; sent < BYTES; sent += piece.length) yield piece
}

/** What came, counted; of `wc` what it says. */
class Arrived {
  #bytes = 0
  #text = ''

  take(bytes: Uint8Array): void {
    this.#bytes += bytes.length
    if (bytes.length < 100) this.#text += Buffer.from(bytes)
  }

  check(direction: Direction): void {
    const got = direction === 'output' ? this.#bytes : Number(this.#text)
    if (got !== BYTES) throw new Error(`${got} bytes came of ${BYTES}`)
  }
}

async function execute(client: WritClient, { direction, artifact }: Turn): Promise<Arrived> {
  const argv = [...PROGRAMS[direction]]
  const workload = { program: argv[0] ?? '', argv }
  const call = client.executeCall({ artifact: Buffer.from(artifact, 'base64'), workload })
  const arrived = new Arrived()
  const feed = async () => {
    if (direction === 'input') for (const piece of pieces()) await call.stdin(piece)
    call.endStdin()
  }
  const fed = feed()
  for await (const answer of call.answers) if (answer.stdout) arrived.take(answer.stdout)
  await fed
  return arrived
}

async function bare(stream: BareStream, { direction }: Turn): Promise<Arrived> {
  const arrived = new Arrived()
  const input = direction === 'input' ? pieces() : []
  await stream.run(PROGRAMS[direction], input, bytes => arrived.take(bytes))
  return arrived
}

async function pipe({ direction }: Turn): Promise<Arrived> {
  const child = spawn('/bin/sh', ['-c', `${PROGRAMS[direction].join(' ')} | cat`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const arrived = new Arrived()
  child.stdout.on('data', bytes => arrived.take(bytes))
  await once(child, 'close')
  return arrived
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [socket = '', bareSocket = ''] = process.argv.slice(2)
  const client = new WritClient(socket)
  const stream = await BareStream.start(bareSocket)
  const ways = {
    execute: (turn: Turn) => execute(client, turn),
    bare: (turn: Turn) => bare(stream, turn),
    pipe: (turn: Turn) => pipe(turn),
  }
  const measure = async (turn: Turn) => {
    const start = performance.now()
    const arrived = await ways[turn.way](turn)
    const ms = performance.now() - start
    arrived.check(turn.direction)
    return ms
  }
  process.on('message', (turn: Turn) => {
    measure(turn).then(
      ms => process.send?.(ms),
      error => process.send?.(String(error)),
    )
  })
  process.on('disconnect', () => {
    client.close()
    void stream.close()
  })
  process.send?.('ready')
}
