import { randomBytes } from 'node:crypto'
import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { sha256Hex } from '../../encoding/digest.ts'
import { newId, sleep, TestHost, type Writd } from './host.ts'

export const MB = 1 << 20

/** Long enough for the time of a file's last change to tell of any later one. */
export const settle = (): Promise<void> => sleep(3100)

export const onDisk = (path: string): string => sha256Hex(readFileSync(path))

/** A launcher with a store, and files that it is given. */
export class StoreHost extends TestHost {
  readonly store: string
  #writd: Writd | undefined

  constructor(config: Record<string, string> = {}, wrapper: readonly string[] = []) {
    super({ max_staged_bytes: String(2 * MB), store_bytes: String(20 * MB), ...config }, wrapper)
    this.store = config.store ?? join(this.directory, 'store')
    this.config.store = this.store
  }

  /** What a test does as writd, after {@link begin}. */
  get writd(): Writd {
    if (this.#writd === undefined) throw new Error('the launcher was not started')
    return this.#writd
  }

  async begin(wrapper?: readonly string[]): Promise<void> {
    await this.start(wrapper)
    this.#writd = await this.connect()
  }

  /** Starts the launcher anew, with an empty store. */
  async forget(wrapper?: readonly string[]): Promise<void> {
    this.#writd?.client.close()
    await this.end('SIGTERM')
    await this.begin(wrapper)
  }

  override async stop(): Promise<void> {
    this.#writd?.client.close()
    await super.stop()
  }

  path(name: string): string {
    return join(this.directory, name)
  }

  /** A file of these bytes, or of as many random ones. */
  file(name: string, bytes: Uint8Array | number, mode = 0o755): string {
    const path = this.path(name)
    writeFileSync(path, typeof bytes === 'number' ? randomBytes(bytes) : bytes)
    chmodSync(path, mode)
    return path
  }

  /** This run's directory in the store. */
  run(): string {
    return join(this.store, existsSync(this.store) ? (readdirSync(this.store)[0] ?? '') : '')
  }

  /** Paths of the copies in the store. */
  entries(): string[] {
    const run = this.run()
    return existsSync(run) ? readdirSync(run).map(name => join(run, name)) : []
  }

  /** The digest that the launcher finds, or why it finds none. */
  async digestOf(path: string): Promise<string> {
    const id = newId()
    const [subject] = await this.writd.client.stage(id, [path])
    this.writd.client.abandon(id)
    return subject !== undefined && 'sha256' in subject ? subject.sha256 : (subject?.error ?? '')
  }
}
