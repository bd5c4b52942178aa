import { type Authorization, HmacSession } from './authorization.ts'
import { handlesCommand } from './commands/capability.ts'
import { flushContextCommand } from './commands/object.ts'
import { startAuthSessionCommand } from './commands/session.ts'
import { TPM_HR, TPM_SE } from './constants.ts'
import { TpmError } from './error.ts'
import { marshalCommand, parseResponse, type TpmCommand } from './marshal.ts'
import { isTransient, TPM_RC } from './response-code.ts'
import type { TpmTransport } from './transport.ts'

/** Pauses before a command that the TPM asked to send again, in milliseconds. */
const RETRY_PAUSES = [2, 10, 50, 200]

/**
 * Runs commands on a transport, one after the other, and frees what it starts. Its caller has the TPM for itself (the
 * queue's running job).
 */
export class Executor {
  readonly #transport: TpmTransport
  readonly #timeoutMs: number
  /**
   * True while sessions or objects of a lost connection may be in the TPM: at the start (whoever was here before may
   * have been killed) and after a command without an answer. Only where no resource manager does the cleaning.
   */
  #litter: boolean

  constructor(transport: TpmTransport, timeoutMs: number) {
    this.#transport = transport
    this.#timeoutMs = timeoutMs
    this.#litter = transport.exclusive
  }

  /** @throws TpmError */
  async run<T>(command: TpmCommand<T>, ...auths: Authorization[]): Promise<T> {
    if (this.#litter) await this.sweep()
    return this.#run(command, auths)
  }

  /** Runs `body` with an HMAC session over this authValue; it is freed whatever happens. */
  async withHmacSession<T>(authValue: Buffer, body: (session: HmacSession) => Promise<T>): Promise<T> {
    const { handle, nonceTpm } = await this.run(startAuthSessionCommand(TPM_SE.HMAC))
    const session = new HmacSession(handle, nonceTpm, authValue)
    try {
      return await body(session)
    } finally {
      if (!session.ended) await this.flush(handle)
    }
  }

  /** Frees a handle. Never throws: what cannot be freed now is swept once the TPM answers again. */
  async flush(handle: number): Promise<void> {
    if (this.#litter) return
    try {
      await this.#run(flushContextCommand(handle), [])
    } catch {
      this.#litter = this.#transport.exclusive
    }
  }

  /**
   * Frees all loaded sessions and transient objects. Only on an exclusive transport, where whatever is loaded while
   * this connection is served belongs to nobody: other clients keep theirs no longer than their own connection.
   */
  async sweep(): Promise<void> {
    if (!this.#transport.exclusive) return
    for (const range of [TPM_HR.HMAC_SESSION, TPM_HR.TRANSIENT]) {
      const { items } = await this.#run(handlesCommand(range), [])
      for (const handle of items) {
        await this.#run(flushContextCommand(handle), []).catch(ignoreUnknownHandle)
      }
    }
    this.#litter = false
  }

  async #run<T>(command: TpmCommand<T>, auths: Authorization[]): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      const frame = marshalCommand(command, auths)
      try {
        const response = await this.#transport.transmit(frame, this.#timeoutMs)
        return parseResponse(command, auths, response)
      } catch (error) {
        if (!(error instanceof TpmError)) throw error
        if (error.rc === undefined) await this.#distrust()
        const pause = RETRY_PAUSES[attempt]
        if (error.rc === undefined || !isTransient(error.rc) || pause === undefined) throw error
        await new Promise(resolve => setTimeout(resolve, pause))
      }
    }
  }

  /** Without an answer that makes sense nobody knows what the TPM did, or what it sends next. */
  async #distrust(): Promise<void> {
    this.#litter = this.#transport.exclusive
    await this.#transport.release().catch(() => undefined)
  }
}

function ignoreUnknownHandle(error: unknown): void {
  if (!(error instanceof TpmError) || error.rc === undefined || error.rc === TPM_RC.INITIALIZE) throw error
}
