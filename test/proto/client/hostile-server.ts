import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Does to a call what it likes. */
export type Treat = (stream: ServerHttp2Stream, path: string) => void

/** An HTTP/2 server that counts the calls that reach it, and answers each as it is told to. */
export class HostileServer {
  readonly #dir = mkdtempSync(join(tmpdir(), 'writ-hostile-'))
  readonly socket = join(this.#dir, 'sock')
  readonly #server: Http2Server = createServer()
  readonly #sessions = new Set<ServerHttp2Session>()
  readonly seen: string[] = []
  treat: Treat = () => {}

  async start(): Promise<this> {
    this.#server.on('session', session => {
      this.#sessions.add(session)
      session.on('error', () => {})
      session.on('close', () => this.#sessions.delete(session))
    })
    this.#server.on('stream', (stream: ServerHttp2Stream, headers) => {
      const path = headers[':path'] ?? ''
      stream.on('error', () => {})
      // The request is read whole before anything is done to it: it could have been carried out.
      stream.once('data', () => {
        this.seen.push(path)
        this.treat(stream, path)
      })
    })
    this.#server.listen(this.socket)
    await once(this.#server, 'listening')
    return this
  }

  /** How often a method was called. */
  calls(path: string): number {
    return this.seen.filter(seen => seen === path).length
  }

  close(): void {
    for (const session of this.#sessions) session.destroy()
    this.#server.close()
    rmSync(this.#dir, { recursive: true, force: true })
  }
}

/** One gRPC message frame: not compressed, length, bytes. */
export function frame(bytes: Buffer, length = bytes.length): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(length, 1)
  return Buffer.concat([head, bytes])
}

/** Answers with these bytes as the body, then with this status. */
export function answer(
  stream: ServerHttp2Stream,
  body: Buffer,
  trailers: Record<string, string> = { 'grpc-status': '0' },
): void {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
  stream.on('wantTrailers', () => stream.sendTrailers(trailers))
  stream.end(body)
}
