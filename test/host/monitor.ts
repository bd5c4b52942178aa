import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { HostTestError } from './processes.ts'

/** What QEMU sends: the answer to the command before it, or something that has happened (QMP, https://www.qemu.org/docs/master/interop/qmp-spec.html). */
interface Message {
  readonly event?: string
  readonly error?: { readonly desc: string }
  readonly return?: unknown
}

/** The emulator's own control socket: what somebody does to a machine who stands before it. */
export class Monitor {
  readonly #socket: Socket
  readonly #seen: Message[] = []
  #rest = ''
  #told = () => {}

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('error', () => undefined)
    socket.setEncoding('utf8').on('data', (text: string) => this.#take(text))
  }

  /** @param path of a socket that is there */
  static async open(path: string): Promise<Monitor> {
    const socket = connect(path)
    await once(socket, 'connect')
    const monitor = new Monitor(socket)
    await monitor.execute('qmp_capabilities')
    return monitor
  }

  /** @throws HostTestError with what QEMU says */
  async execute(command: string): Promise<void> {
    this.#socket.write(`${JSON.stringify({ execute: command })}\n`)
    const { error } = await this.#next(message => 'return' in message || 'error' in message, 10_000, command)
    if (error) throw new HostTestError(`QEMU: ${command}: ${error.desc}`)
  }

  /** Waits until something has happened, if it has not since the last time. @throws HostTestError */
  async happened(event: string, withinMs: number): Promise<void> {
    await this.#next(message => message.event === event, withinMs, event)
  }

  close(): void {
    this.#socket.destroy()
  }

  async #next(is: (message: Message) => boolean, withinMs: number, what: string): Promise<Message> {
    const deadline = Date.now() + withinMs
    for (;;) {
      const at = this.#seen.findIndex(is)
      const [found] = at < 0 ? [] : this.#seen.splice(at, 1)
      if (found) return found
      const leftMs = deadline - Date.now()
      if (leftMs <= 0) throw new HostTestError(`QEMU has not told of ${what} in ${withinMs / 1000} s`)
      await new Promise<void>(resolve => {
        const timer = setTimeout(resolve, leftMs)
        this.#told = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }

  #take(text: string): void {
    const lines = (this.#rest + text).split('\n')
    this.#rest = lines.pop() ?? ''
    for (const line of lines) if (line.trim() !== '') this.#seen.push(JSON.parse(line) as Message)
    this.#told()
  }
}
