import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Finished, HostTestError } from './processes.ts'

interface Waiting {
  readonly resolve: (finished: Finished) => void
  readonly reject: (error: Error) => void
  readonly stdout: Buffer[]
  readonly stderr: Buffer[]
}

/** u8 kind, u32 length. */
const FRAME_HEADER = 5

/** The test's end of the control channel; the other is agent/agent.c. One command at a time; the caller waits for it. */
export class Channel {
  readonly #socket: Socket
  #received: Buffer[] = []
  #length = 0
  #waiting: Waiting | undefined
  #hello: (() => void) | undefined
  readonly #greeted = new Promise<void>(resolve => {
    this.#hello = resolve
  })
  #lost: Error | undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (piece: Buffer) => this.#take(piece))
    socket.on('error', error => this.#lose(error))
    socket.on('close', () => this.#lose(new HostTestError('the guest has gone')))
  }

  /** @param path a Unix socket that appears within ten seconds */
  static async open(path: string): Promise<Channel> {
    for (let attempt = 0; ; attempt++) {
      const socket = connect(path)
      try {
        await once(socket, 'connect')
        return new Channel(socket)
      } catch (error) {
        if (attempt === 100) throw error
        await sleep(100)
      }
    }
  }

  /** Waits until the agent is there. */
  greeted(): Promise<void> {
    return this.#greeted
  }

  /** Runs a shell command in the guest as root. @throws HostTestError when the guest is lost or does not answer */
  async run(command: string, input: Buffer, timeoutMs: number): Promise<Finished> {
    if (this.#lost) throw this.#lost
    if (this.#waiting) throw new HostTestError('one command at a time')
    const text = Buffer.from(command)
    const header = Buffer.alloc(12)
    header.writeUInt32LE(text.length, 0)
    header.writeUInt32LE(input.length, 4)
    header.writeUInt32LE(Math.ceil(timeoutMs / 1000), 8)
    // The agent ends the command first; what comes later is a guest that hangs.
    const timer = setTimeout(
      () => this.#lose(new HostTestError(`no answer in ${timeoutMs / 1000} s to: ${command}`)),
      timeoutMs + 60_000,
    )
    try {
      return await new Promise<Finished>((resolve, reject) => {
        this.#waiting = { resolve, reject, stdout: [], stderr: [] }
        this.#socket.write(Buffer.concat([header, text, input]))
      })
    } finally {
      clearTimeout(timer)
      this.#waiting = undefined
    }
  }

  close(): void {
    this.#socket.destroy()
  }

  #lose(error: Error): void {
    this.#lost ??= error
    this.#waiting?.reject(this.#lost)
  }

  #take(piece: Buffer): void {
    this.#received.push(piece)
    this.#length += piece.length
    if (this.#length < FRAME_HEADER) return
    let bytes = Buffer.concat(this.#received)
    while (bytes.length >= FRAME_HEADER) {
      const end = FRAME_HEADER + bytes.readUInt32LE(1)
      if (bytes.length < end) break
      this.#frame(String.fromCharCode(bytes.readUInt8(0)), bytes.subarray(FRAME_HEADER, end))
      bytes = bytes.subarray(end)
    }
    this.#received = [bytes]
    this.#length = bytes.length
  }

  #frame(kind: string, bytes: Buffer): void {
    if (kind === 'H') this.#hello?.()
    else if (kind === '1') this.#waiting?.stdout.push(bytes)
    else if (kind === '2') this.#waiting?.stderr.push(bytes)
    else if (kind === 'X' && this.#waiting) {
      const { stdout, stderr, resolve } = this.#waiting
      resolve({
        status: bytes.readUInt32LE(0),
        stdout: Buffer.concat(stdout),
        stderr: Buffer.concat(stderr),
      })
    } else this.#lose(new HostTestError(`the guest's agent says ${JSON.stringify(kind)}`))
  }
}
