import { dirname, join } from 'node:path'
import { allAreThere, Leaf } from '../support/descendants.ts'
import { parentOf, type Running, type TestHost, until, type Writd } from './host.ts'

/** An execution with a process of every kind. */
export class Clan {
  readonly running: Running
  readonly leaf: Leaf
  readonly supervisor: number

  private constructor(running: Running, leaf: Leaf) {
    this.running = running
    this.leaf = leaf
    this.supervisor = parentOf(running.pid)
  }

  /**
   * Starts the program and waits until it has a process of every kind.
   *
   * @param others how many more there are to be
   */
  static async start(
    host: TestHost,
    writd: Writd,
    program: string,
    options: Parameters<Writd['start']>[1] = {},
    others = 0,
  ): Promise<Clan> {
    const running = await writd.prepare([program, String(others)], { ...options, unread: true })
    let said = ''
    running.stdout?.on('data', piece => (said += piece))
    const leaf = new Leaf(join(dirname(host.cgroup), running.cgroup))
    await writd.client.start(running.executionId, writd.page.read().epoch)
    await until(() => allAreThere(said), 30_000)
    leaf.expectAllKinds(others)
    return new Clan(running, leaf)
  }

  get executionId(): string {
    return this.running.executionId
  }

  /** What is left of it anywhere. */
  remains(): string[] {
    return this.leaf.remains(this.running.uid)
  }
}
