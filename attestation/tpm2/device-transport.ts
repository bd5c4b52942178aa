import { type FileHandle, open } from 'node:fs/promises'
import { TpmError } from './error.ts'
import { HEADER_SIZE, MAX_FRAME } from './marshal.ts'
import type { TpmTransport } from './transport.ts'

/** The kernel's resource manager: each opened file has its own transient objects and sessions (drivers/char/tpm/tpmrm-dev.c). */
export const DEFAULT_DEVICE = '/dev/tpmrm0'

/** For each device the command of this process that is without an answer. */
const STUCK = new Map<string, Promise<unknown>>()

/**
 * A TPM character device. One write is one command, one read its whole response (drivers/char/tpm/tpm-dev-common.c). A
 * read blocks in the kernel and cannot be cancelled, so a command that has timed out keeps its thread; until the kernel
 * gives it back, further commands to this device fail at once, whoever sends them, instead of taking the other threads of the pool one by
 * one. What waits for a TPM opens it again and again.
 */
export class DeviceTransport implements TpmTransport {
  readonly description: string
  readonly tcti: string
  readonly exclusive = false
  readonly #path: string
  #file: FileHandle | undefined
  #closed = false

  constructor(path: string = DEFAULT_DEVICE) {
    this.#path = path
    this.description = `TPM at ${path}`
    this.tcti = `device:${path}`
  }

  async transmit(command: Buffer, timeoutMs: number): Promise<Buffer> {
    if (this.#closed) throw new TpmError('TPM_CLOSED', `${this.description} was closed`)
    if (STUCK.has(this.#path)) {
      throw new TpmError('TPM_TIMEOUT', `${this.description}: an earlier command is still without an answer`)
    }
    const exchange = this.#exchange(command)
    let timer: NodeJS.Timeout | undefined
    const timeout = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new TpmError('TPM_TIMEOUT', `${this.description}: no answer in ${timeoutMs} ms`)),
        timeoutMs,
      )
    })
    try {
      return await Promise.race([exchange, timeout])
    } catch (error) {
      const file = this.#file
      this.#file = undefined
      // The file is closed once nothing uses it any more; closing it also frees what the command may have left.
      const ended = exchange.then(
        () => file?.close(),
        () => file?.close(),
      )
      const stuck = ended
        .catch(() => undefined)
        .finally(() => {
          if (STUCK.get(this.#path) === stuck) STUCK.delete(this.#path)
        })
      STUCK.set(this.#path, stuck)
      if (error instanceof TpmError && error.code === 'TPM_TIMEOUT') throw error
      await stuck
      throw error
    } finally {
      clearTimeout(timer)
    }
  }

  async release(): Promise<void> {
    const file = this.#file
    this.#file = undefined
    await file?.close()
  }

  close(): Promise<void> {
    this.#closed = true
    return this.release()
  }

  async #exchange(command: Buffer): Promise<Buffer> {
    try {
      this.#file ??= await open(this.#path, 'r+')
      const file = this.#file
      const { bytesWritten } = await file.write(command, 0, command.length, null)
      if (bytesWritten !== command.length) throw new Error(`only ${bytesWritten} bytes were taken`)
      const response = Buffer.alloc(MAX_FRAME)
      const { bytesRead } = await file.read(response, 0, response.length, null)
      if (bytesRead < HEADER_SIZE || response.readUInt32BE(2) !== bytesRead) {
        throw new TpmError('TPM_MALFORMED', `${this.description}: a response of ${bytesRead} bytes`)
      }
      return response.subarray(0, bytesRead)
    } catch (error) {
      if (error instanceof TpmError) throw error
      throw new TpmError('TPM_UNAVAILABLE', `${this.description}: ${(error as Error).message}`, {
        cause: error,
      })
    }
  }
}
