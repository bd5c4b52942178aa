import { Client, type ClientDuplexStream, credentials } from '@grpc/grpc-js'
import { api } from '../../proto/client.ts'
import type { AttachRequestInput } from '../../proto/generated/writ/v1/AttachRequest.ts'
import type { ExecuteRequestInput } from '../../proto/generated/writ/v1/ExecuteRequest.ts'
import type { ExecuteResponse } from '../../proto/generated/writ/v1/ExecuteResponse.ts'

type Request = ExecuteRequestInput & AttachRequestInput

/** One Execute or Attach, message by message, as it comes over the wire. */
export class KeptCall {
  readonly answers: ExecuteResponse[] = []
  /** Resolves with what went wrong, or null, when nothing more comes. */
  readonly over: Promise<Error | null>
  error: Error | null = null
  readonly #client: Client
  readonly #call: ClientDuplexStream<Request, ExecuteResponse>

  /** @param to a socket, or a connection, which stays the caller's */
  constructor(to: string | Client, method: 'Execute' | 'Attach', first: Request) {
    this.#client = typeof to === 'string' ? new Client(`unix:${to}`, credentials.createInsecure()) : to
    const { path, requestSerialize, responseDeserialize } = api.execution[method]
    this.#call = this.#client.makeBidiStreamRequest(
      path,
      requestSerialize as (message: Request) => Buffer,
      responseDeserialize,
    )
    this.over = new Promise(resolve => {
      this.#call.on('data', answer => this.answers.push(answer))
      this.#call.on('error', error => {
        this.error = error
        resolve(error)
      })
      this.#call.on('end', () => resolve(null))
    }).then(error => {
      if (typeof to === 'string') this.#client.close()
      return error as Error | null
    })
    this.#call.write(first)
  }

  send(stdin: Buffer | string): void {
    this.#call.write({ stdin: Buffer.from(stdin) })
  }

  endInput(): void {
    this.#call.end()
  }

  cancel(): void {
    this.#call.cancel()
  }

  get output(): Buffer {
    return Buffer.concat(this.answers.flatMap(({ stdout }) => stdout ?? []))
  }

  first<K extends 'started' | 'attached' | 'ended' | 'handedOver'>(kind: K): ExecuteResponse[K] | undefined {
    return this.answers.find(answer => answer[kind] !== undefined && answer[kind] !== null)?.[kind]
  }
}
