import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startRig } from '../../daemon/rpc/rig.ts'

/** An API server in a process of its own, to be stopped, killed and started again at the same path. */
export class DaemonProcess {
  readonly #dir = mkdtempSync(join(tmpdir(), 'writ-client-'))
  readonly socket = join(this.#dir, 'run', 'writd.sock')
  #child: ChildProcess | null = null

  async start(): Promise<void> {
    // Its own temporary files go where they are removed even if it is killed.
    const env = { ...process.env, TMPDIR: this.#dir }
    this.#child = fork(fileURLToPath(import.meta.url), [this.socket], { env, execArgv: [] })
    await once(this.#child, 'message')
  }

  async signal(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child
    if (child === null || child.exitCode !== null || child.signalCode !== null) return
    child.kill(signal)
    if (signal !== 'SIGSTOP' && signal !== 'SIGCONT') await once(child, 'exit')
  }

  async close(): Promise<void> {
    await this.signal('SIGKILL')
    rmSync(this.#dir, { recursive: true, force: true })
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const rig = await startRig({ listen: { path: process.argv[2] ?? '' } })
  const stop = () => void rig.stop().then(() => process.exit(0))
  process.on('SIGTERM', stop)
  process.on('disconnect', stop)
  process.send?.('listening')
}
