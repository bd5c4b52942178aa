import { createConnection, type Socket } from 'node:net'
import { TpmError, type TpmErrorCode } from './error.ts'
import { HEADER_SIZE, MAX_FRAME } from './marshal.ts'
import type { TpmTransport } from './transport.ts'

/** How long to wait before another attempt to connect, where the socket's backlog is full. */
const BACKLOG_RETRY_MS = 10

interface Pending {
  command: Buffer
  resolve(response: Buffer): void
  reject(error: TpmError): void
  timer: NodeJS.Timeout
  retry?: NodeJS.Timeout
  chunks: Buffer[]
  received: number
}

/**
 * The raw command stream of `swtpm socket --tpm2 --server type=unixio,path=PATH`. swtpm serves one connection at a
 * time; another one waits in the socket's backlog, without an answer, until the first is closed.
 *
 * @param path of the socket; no comma, which separates options in a TCTI string
 */
export class SwtpmTransport implements TpmTransport {
  readonly description: string
  readonly tcti: string
  readonly exclusive = true
  readonly #path: string
  #socket: Socket | undefined
  #pending: Pending | undefined
  #closed = false

  constructor(path: string) {
    if (path.includes(',')) throw new RangeError(`a comma in a TPM socket's path: ${path}`)
    this.#path = path
    this.description = `swtpm at ${path}`
    this.tcti = `swtpm:path=${path}`
  }

  transmit(command: Buffer, timeoutMs: number): Promise<Buffer> {
    if (this.#closed) return Promise.reject(new TpmError('TPM_CLOSED', `${this.description} was closed`))
    if (this.#pending) throw new Error('one TPM command at a time')
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#fail('TPM_TIMEOUT', `no answer in ${timeoutMs} ms`), timeoutMs)
      this.#pending = { command, resolve, reject, timer, chunks: [], received: 0 }
      this.#send(command)
    })
  }

  release(): Promise<void> {
    const socket = this.#socket
    const closed = socket
      ? new Promise<void>(resolve => socket.once('close', () => resolve()))
      : Promise.resolve()
    this.#fail('TPM_UNAVAILABLE', 'connection released')
    return closed
  }

  close(): Promise<void> {
    this.#closed = true
    return this.release()
  }

  #send(command: Buffer): void {
    const socket = this.#socket ?? this.#connect()
    socket.write(command)
  }

  #connect(): Socket {
    const socket = createConnection({ path: this.#path })
    this.#socket = socket
    socket.on('data', (data: Buffer) => this.#receive(socket, data))
    socket.on('error', (cause: NodeJS.ErrnoException) => {
      // Connections that nobody took yet fill the backlog of a TPM that hangs (unix(7), EAGAIN): nothing was sent.
      if (cause.code === 'EAGAIN' && cause.syscall === 'connect') this.#connectLater(socket)
      else this.#drop(socket, 'TPM_UNAVAILABLE', cause.message, cause)
    })
    socket.on('close', () => this.#drop(socket, 'TPM_UNAVAILABLE', 'connection closed by the TPM'))
    return socket
  }

  #connectLater(socket: Socket): void {
    if (socket !== this.#socket) return
    this.#socket = undefined
    const pending = this.#pending
    if (pending) pending.retry = setTimeout(() => this.#send(pending.command), BACKLOG_RETRY_MS)
  }

  #receive(socket: Socket, data: Buffer): void {
    if (socket !== this.#socket) return
    const fault = this.#take(data)
    if (fault) this.#drop(socket, 'TPM_MALFORMED', fault)
  }

  /** Adds to the response that is awaited; returns what is wrong with it. */
  #take(data: Buffer): string | undefined {
    const pending = this.#pending
    if (!pending) return 'bytes that nobody asked for'
    pending.chunks.push(data)
    pending.received += data.length
    if (pending.received < HEADER_SIZE) return undefined
    const all = pending.chunks.length === 1 ? data : Buffer.concat(pending.chunks)
    pending.chunks = [all]
    const size = all.readUInt32BE(2)
    if (size < HEADER_SIZE || size > MAX_FRAME) return `a response that says it has ${size} bytes`
    if (all.length > size) return 'bytes after the end of a response'
    if (all.length < size) return undefined
    this.#pending = undefined
    clearTimeout(pending.timer)
    pending.resolve(all)
    return undefined
  }

  /** For the events of a socket: one that was given up does not end what goes on over its successor. */
  #drop(socket: Socket, code: TpmErrorCode, what: string, cause?: unknown): void {
    if (socket === this.#socket) this.#fail(code, what, cause)
  }

  #fail(code: TpmErrorCode, what: string, cause?: unknown): void {
    this.#socket?.destroy()
    this.#socket = undefined
    const pending = this.#pending
    this.#pending = undefined
    if (!pending) return
    clearTimeout(pending.timer)
    clearTimeout(pending.retry)
    pending.reject(new TpmError(code, `${this.description}: ${what}`, { cause }))
  }
}
