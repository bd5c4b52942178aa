import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { connect as connectHttp2 } from 'node:http2'
import { connect, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { api } from '../../../proto/client.ts'

/** What a badly behaved client can do. Each says how it went in one line of JSON. */
type Deed = 'flood' | 'connect' | 'hold' | 'reports'

/** A process of its own under a uid of its own that misbehaves until it is done or ended. */
export class BadClient {
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>

  constructor(socket: string, uid: number, deed: Deed, count: number) {
    const file = fileURLToPath(import.meta.url)
    this.#child = spawn(process.execPath, [file, socket, deed, String(count)], {
      ...{ uid, gid: uid },
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { PATH: process.env.PATH },
    })
    if (this.#child.stdout === null) throw new Error('no output')
    this.#lines = createInterface(this.#child.stdout)[Symbol.asyncIterator]()
  }

  /** What it says next. */
  async said(): Promise<Record<string, number>> {
    const { value, done } = await this.#lines.next()
    if (done) throw new Error('it ended')
    return JSON.parse(value as string)
  }

  close(): void {
    this.#child.kill('SIGKILL')
  }
}

function say(counts: Record<string, number>): void {
  process.stdout.write(`${JSON.stringify(counts)}\n`)
}

const HEADERS = { ':method': 'POST', 'content-type': 'application/grpc', te: 'trailers' }

/** A gRPC message (PROTOCOL-HTTP2, "Length-Prefixed-Message"). */
function framed(message: Uint8Array): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(message.length, 1)
  return Buffer.concat([head, message])
}

function session(socket: string) {
  const made = connectHttp2('http://localhost', { createConnection: () => connect(socket) })
  made.on('error', () => undefined)
  return made
}

/** `count` requests on one connection, 100 at a time; counts how each was answered. */
async function flood(socket: string, count: number): Promise<void> {
  const { path, requestSerialize } = api.execution.Authorize
  const body = framed(requestSerialize({ workload: { program: '/bin/true' } } as never))
  const connection = session(socket)
  const statuses: Record<string, number> = { answered: 0 }
  let sent = 0
  const lane = async () => {
    while (sent < count) {
      sent++
      await new Promise<void>(resolve => {
        const stream = connection.request({ ...HEADERS, ':path': path })
        const note = (headers: Record<string, unknown>) => {
          const status = headers['grpc-status']
          if (status === undefined) return
          statuses[String(status)] = (statuses[String(status)] ?? 0) + 1
          statuses.answered = (statuses.answered ?? 0) + 1
        }
        stream.on('response', note).on('trailers', note)
        stream.on('error', () => undefined).on('close', resolve)
        stream.resume()
        stream.end(body)
      })
      if (connection.destroyed) return
    }
  }
  await Promise.all(Array.from({ length: 100 }, lane))
  say(statuses)
  connection.destroy()
}

/** Opens connections, says nothing on them, and tells how many are still open a second later. */
async function open(socket: string, count: number): Promise<void> {
  const sockets: Socket[] = []
  const still = new Set<Socket>()
  for (let i = 0; i < count; i++) {
    const made = connect(socket)
    sockets.push(made)
    made.on('error', () => undefined).on('close', () => still.delete(made))
    made.resume()
    await new Promise<void>(resolve =>
      made.once('connect', () => resolve(void still.add(made))).once('error', () => resolve()),
    )
  }
  await new Promise(resolve => setTimeout(resolve, 1000))
  say({ open: still.size })
}

/** Holds as many streams as it gets, of every kind that does not end by itself. */
async function hold(socket: string, count: number): Promise<void> {
  let held = 0
  const kinds = [api.execution.Watch, api.attestation.WatchStatus, api.execution.Execute]
  const connections = Array.from({ length: 4 }, () => session(socket))
  for (let i = 0; i < count; i++) {
    const { path, requestSerialize } = kinds[i % kinds.length] as typeof api.execution.Watch
    const stream = connections[i % connections.length]?.request({ ...HEADERS, ':path': path })
    if (stream === undefined) continue
    held++
    stream.on('error', () => undefined).on('close', () => held--)
    // An Execute without its first message; the others complete, and never read.
    if (path !== api.execution.Execute.path) stream.end(framed(requestSerialize({} as never)))
    else stream.write(Buffer.from([0, 0]))
  }
  await new Promise(resolve => setTimeout(resolve, 3000))
  say({ held })
}

/** `count` reports at once. */
async function reports(socket: string, count: number): Promise<void> {
  const { path, requestSerialize } = api.attestation.GetReport
  const connection = session(socket)
  const statuses: Record<string, number> = {}
  const ask = () =>
    new Promise<void>(resolve => {
      const stream = connection.request({ ...HEADERS, ':path': path })
      const note = (headers: Record<string, unknown>) => {
        const status = headers['grpc-status']
        if (status !== undefined) statuses[String(status)] = (statuses[String(status)] ?? 0) + 1
      }
      stream.on('response', note).on('trailers', note)
      stream.on('error', () => undefined).on('close', () => resolve())
      stream.resume()
      stream.end(framed(requestSerialize({ nonce: randomBytes(32) } as never)))
    })
  await Promise.all(Array.from({ length: count }, ask))
  say(statuses)
  connection.destroy()
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [, , socket = '', deed = '', count = '0'] = process.argv
  process.stdin.on('end', () => process.exit(0)).resume()
  const deeds: Record<Deed, (socket: string, count: number) => Promise<void>> = {
    flood,
    connect: open,
    hold,
    reports,
  }
  await deeds[deed as Deed](socket, Number(count))
}
