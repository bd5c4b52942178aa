import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { type GovernedProcess, WritClient } from '../../proto/client.ts'
import type { ExecuteStarted } from '../../proto/generated/writ/v1/ExecuteStarted.ts'
import type { GovernedHost } from './governed-host.ts'

/** Compiles socket-caller.c, statically: it needs nothing of the host to run. */
export function compileSocketCaller(out: string): string {
  const source = join(import.meta.dirname, '../support/socket-caller.c')
  execFileSync('gcc', ['-static', '-O1', '-Wall', '-Wextra', '-Werror', '-o', out, source])
  return out
}

/** An execution that may be a parent, and a client that speaks through one of its processes. */
export class Inside {
  readonly started: ExecuteStarted
  readonly client: WritClient
  readonly process: GovernedProcess
  readonly #server: Server

  private constructor(process: GovernedProcess, started: ExecuteStarted, server: Server, client: WritClient) {
    this.process = process
    this.started = started
    this.#server = server
    this.client = client
  }

  /**
   * @param by who asks for it: on the main socket, or from within another execution
   * @param artifact for the program with these arguments
   */
  static async start(
    host: GovernedHost,
    by: WritClient,
    artifact: Buffer,
    argv: readonly string[],
    fields: object = {},
  ): Promise<Inside> {
    const [program = ''] = argv
    const process = by.execute({
      artifact,
      workload: { program, argv: [...argv], children: true, ...fields },
    })
    process.ended.catch(() => undefined)
    process.stderr.resume()
    const started = await process.started
    const path = join(mkdtempSync(host.path('inside-')), 'relay')
    const server = createServer(socket => {
      socket.on('error', () => undefined)
      process.stdout.pipe(socket)
      socket.pipe(process.stdin)
    })
    await new Promise<void>(resolve => server.listen(path, resolve))
    const client = new WritClient(path, { retry: { attempts: 1 }, deadlineMs: 20_000 })
    return new Inside(process, started, server, client)
  }

  get executionId(): string {
    return this.started.executionId
  }

  close(): void {
    this.client.close()
    this.#server.close()
  }
}

/** Sockets that listen under the path of executions' own, anywhere on the host. */
export function ownSockets(): number {
  return readFileSync('/proc/net/unix', 'utf8').split(' /run/writ/parent.sock\n').length - 1
}
