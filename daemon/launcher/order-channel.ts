import { EventEmitter } from 'node:events'
import { closeSync } from 'node:fs'
import { SeqpacketChannel, sealedMemfd } from '../native.ts'
import { decodeFailure, decodeMessage, type Message } from './decode.ts'
import { encodeOrder } from './encode.ts'
import { LauncherError } from './error.ts'
import type { LauncherEvents } from './types.ts'

interface Waiting {
  readonly what: string
  /** Reads the answer and resolves, in the turn in which it came: before any event that follows it. */
  accept(message: Message, descriptors: number[]): void
  reject(error: LauncherError): void
}

/** Orders and their answers on the launcher's socket, whatever they are about. */
export abstract class OrderChannel extends EventEmitter<LauncherEvents> {
  readonly #channel: SeqpacketChannel
  readonly #waiting = new Map<bigint, Waiting>()
  #next = 1n
  #over: LauncherError | null = null

  protected constructor(socketPath: string) {
    super()
    this.#channel = new SeqpacketChannel(socketPath, {
      message: (bytes, descriptors) => this.#receive(bytes, descriptors),
      end: error =>
        this.#end(new LauncherError('DISCONNECTED', `the launcher is gone${error ? ` (${error})` : ''}`)),
    })
  }

  /** Something that was not asked for. Throws only before it has taken the descriptors. */
  protected abstract onEvent(message: Message, descriptors: number[]): void

  protected get isOver(): boolean {
    return this.#over !== null
  }

  protected closeChannel(): void {
    this.#over ??= new LauncherError('DISCONNECTED', 'the connection was closed')
    this.#channel.close()
    this.#rejectAll(this.#over)
  }

  /**
   * Sends an order and reads its answer; for those that have a file of their own. `strings` go along in a sealed memfd, `descriptors` as they are; both can be
   * forgotten by the caller at once only when they are `strings`.
   */
  order<T>(
    what: string,
    type: number,
    body: Buffer,
    read: (message: Message, descriptors: number[]) => T,
    along: { strings?: Buffer; descriptors?: number[] } = {},
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#over !== null) {
        reject(this.#over)
        return
      }
      const request = this.#next++
      const accept = (message: Message, descriptors: number[]) => resolve(read(message, descriptors))
      this.#waiting.set(request, { what, accept, reject })
      try {
        const table = along.strings === undefined ? null : sealedMemfd(along.strings)
        const descriptors = [...(table === null ? [] : [table]), ...(along.descriptors ?? [])]
        this.#channel.send(
          encodeOrder(type, request, body),
          descriptors,
          () => table !== null && closeSync(table),
        )
      } catch (cause) {
        this.#channel.close()
        this.#end(new LauncherError('DISCONNECTED', `${what} could not be sent`, { cause }))
      }
    })
  }

  #receive(bytes: Buffer, descriptors: number[]): void {
    try {
      const message = decodeMessage(bytes)
      if (message.isAnswer) this.#answer(message, descriptors)
      else this.onEvent(message, descriptors)
    } catch (error) {
      const fault =
        error instanceof LauncherError
          ? error
          : new LauncherError('PROTOCOL', String(error), { cause: error })
      for (const fd of descriptors) closeSync(fd)
      this.#channel.close()
      this.#end(fault)
    }
  }

  #answer(message: Message, descriptors: number[]): void {
    const waiting = this.#waiting.get(message.request)
    if (waiting === undefined) throw new LauncherError('PROTOCOL', 'the launcher answered what was not asked')
    if (message.status === 0) waiting.accept(message, descriptors)
    else waiting.reject(decodeFailure(message, waiting.what))
    this.#waiting.delete(message.request)
  }

  #end(error: LauncherError): void {
    if (this.#over !== null) return
    this.#over = error
    this.#rejectAll(error)
    this.emit('disconnected', error)
  }

  #rejectAll(error: LauncherError): void {
    for (const { reject } of this.#waiting.values()) reject(error)
    this.#waiting.clear()
  }
}
