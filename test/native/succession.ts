import { expect } from 'vitest'
import type { AdoptedDeadlines, Prepared } from '../../daemon/launcher/types.ts'
import { freshPage, NO_EARLIER, type Running, TestHost, until, type Writd } from './host.ts'

/** Something that goes on by itself, with a process in a session of its own. */
export const COUNT = ['/bin/sh', '-c', '(setsid sleep 300 &); while :; do echo; sleep 0.02; done']
export const PIPES = { stdio: { stdin: 'pipe', stdout: 'pipe', stderr: 'pipe' }, unread: true } as const

type Execution = Pick<Running, 'executionId'>

/** One writd after the other at one launcher, and what runs meanwhile. */
export class Succession {
  readonly host = new TestHost()
  #writd: Writd | undefined
  #descriptors = 0

  /** The one that is connected now. */
  get writd(): Writd {
    if (this.#writd === undefined) throw new Error('no writd is connected')
    return this.#writd
  }

  async begin(): Promise<void> {
    this.#writd = await this.host.connect()
    this.counted()
  }

  /** From here on the launcher may have as many descriptors as now. */
  counted(): void {
    this.#descriptors = this.host.descriptors()
  }

  /** Ends what is kept. None of the descriptors that it was given are left with the launcher. */
  async over(): Promise<void> {
    try {
      for (const { executionId, state } of await this.writd.client.list())
        if (state === 'KEPT') this.writd.client.kill(executionId, 'TERMINATED')
      await this.next()
      await until(() => this.host.leaves().length === 0)
      await until(() => this.host.descriptors() <= this.#descriptors)
    } finally {
      this.writd.client.close()
    }
  }

  async states(): Promise<Record<string, string>> {
    const listed = await this.writd.client.list()
    return Object.fromEntries(listed.map(({ executionId, state }) => [executionId, state]))
  }

  /** Another one comes, and the one before goes without a word. */
  async next(page = freshPage()): Promise<void> {
    this.writd.client.close()
    this.#writd = await this.host.connect(page)
  }

  /** A planned restart: the one that goes has said all that it has to say. */
  async handOver(page = freshPage()): Promise<void> {
    await this.writd.client.leave()
    await this.next(page)
  }

  adopt({ executionId }: Execution, deadlines: Partial<AdoptedDeadlines> = {}): Promise<Prepared> {
    const { client, page } = this.writd
    return client.adopt(executionId, page.read().epoch, { ...NO_EARLIER, ...deadlines })
  }

  /** Something that runs, and that is to be kept, without streams. */
  async kept(options: Parameters<Writd['start']>[1] = {}): Promise<Running> {
    const stdio = { stdin: 'null', stdout: 'null', stderr: 'null' } as const
    const running = await this.writd.start(COUNT, { stdio, ...options })
    await this.writd.client.keep(running.executionId, {})
    return running
  }

  /** Waits until it has had processor time. */
  async goesOn({ executionId }: Execution): Promise<void> {
    const used = () => Number(/^usage_usec (\d+)/.exec(this.host.leafFile(executionId, 'cpu.stat'))?.[1])
    const before = used()
    await until(() => used() > before, 2000)
  }

  async end({ executionId }: Execution): Promise<void> {
    this.writd.client.kill(executionId, 'TERMINATED')
    expect(await this.writd.ended(executionId)).toMatchObject({ cause: 'TERMINATED', confirmedDead: true })
  }
}
