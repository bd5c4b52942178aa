import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { expect } from 'vitest'
import type { LineageEvent } from '../../lineage/index.ts'
import { WritClient } from '../../proto/client.ts'
import { ofType, processesWith, readLineage } from './audit.ts'
import { GovernedHost } from './governed-host.ts'
import { KeptCall } from './kept-call.ts'

/** Room for a restart on a busy machine, and an old lease that can be waited for. */
const ATTESTATION = 'cycle_seconds = 1\nmax_evidence_age_seconds = 12'
/** How long a busy machine may take over one thing. */
export const SLOW = { timeout: 30_000 }

/** What somebody has of an execution that he started. */
export interface Executed {
  /** Finds its process by its arguments. */
  readonly marker: string
  readonly call: KeptCall
  readonly executionId: string
  readonly attachToken: Buffer
  readonly pid: number | undefined
}

/** A daemon that is restarted while what it permitted runs, and callers that speak its protocol by hand. */
export class RestartedDaemon {
  readonly host: GovernedHost
  readonly #calls: KeptCall[] = []

  private constructor(host: GovernedHost) {
    this.host = host
  }

  /** @param execution what its configuration says of executions */
  static async make(execution = ''): Promise<RestartedDaemon> {
    const config = { attestation: ATTESTATION, ...(execution && { execution }) }
    return new RestartedDaemon(await GovernedHost.start({ enrolled: true, config }))
  }

  async close(): Promise<void> {
    for (const call of this.#calls) call.cancel()
    await this.host.close()
  }

  /** Runs a shell script under an artifact of its own, and waits for its process. @param args more options of `writ issue` */
  async execute(
    script: string,
    options: { args?: string[]; digestStreams?: boolean; stdio?: object } = {},
  ): Promise<Executed> {
    // Another file's daemon may run at the same time.
    const marker = randomUUID()
    const argv = ['/bin/sh', '-c', script, marker, 'x']
    const path = await this.host.issue(`kept-${marker}`, argv, options.args ?? [])
    const call = this.#open('Execute', {
      start: {
        artifact: readFileSync(path),
        workload: { program: '/bin/sh', argv, ...(options.stdio && { stdio: options.stdio }) },
        digestStreams: options.digestStreams ?? false,
      },
    } as never)
    await expect.poll(() => call.first('started') ?? call.error, SLOW).toHaveProperty('executionId')
    const { executionId, attachToken } = call.first('started') as { executionId: string; attachToken: Buffer }
    await expect.poll(() => processesWith(marker).length).toBeGreaterThan(0)
    return { marker, call, executionId, attachToken, pid: processesWith(marker)[0] }
  }

  attach({ executionId, attachToken }: Pick<Executed, 'executionId' | 'attachToken'>): KeptCall {
    return this.#open('Attach', { start: { executionId, attachToken } } as never)
  }

  async stopForRestart(): Promise<void> {
    process.kill(this.host.daemonPid, 'SIGUSR2')
    expect(await this.host.stopDaemon()).toBe(0)
  }

  /** The next run, once it has evidence. */
  async next(): Promise<void> {
    await this.host.startDaemon()
    await this.host.attested()
  }

  async restart(): Promise<void> {
    await this.stopForRestart()
    await this.next()
  }

  /** The entries of a type, in their order. */
  async entries<T extends LineageEvent['type']>(type: T) {
    const client = new WritClient(this.host.socket)
    try {
      return ofType(await readLineage(client), type).map(({ event }) => event)
    } finally {
      client.close()
    }
  }

  async endOf(executionId: string) {
    return (await this.entries('execution-end')).find(event => event.executionId === executionId)
  }

  #open(method: 'Execute' | 'Attach', first: ConstructorParameters<typeof KeptCall>[2]): KeptCall {
    const call = new KeptCall(this.host.socket, method, first)
    this.#calls.push(call)
    return call
  }
}
