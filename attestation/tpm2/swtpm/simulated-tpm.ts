import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { startupCommand } from '../commands/startup.ts'
import { marshalCommand, parseResponse } from '../marshal.ts'
import { SwtpmTransport } from '../swtpm-transport.ts'
import { Tpm, type TpmOptions } from '../tpm.ts'
import { initialise, setLocality, shutDown } from './control.ts'
import { SimulatorError } from './error.ts'
import { isManufactured, manufacture, type SimulatorPaths, simulatorPaths } from './manufacture.ts'

/** How a TPM comes up: `clear` after a boot (TPM reset), `state` after a suspend (PCRs are kept). */
export type StartMode = 'clear' | 'state'

/**
 * A TPM in software for tests and the demo, one swtpm process. It dies with its parent. Nothing that it attests says
 * anything about the machine that it runs on.
 */
export class SimulatedTpm {
  readonly paths: SimulatorPaths
  #process: ChildProcess | undefined
  #exited: Promise<void> = Promise.resolve()

  /** Use {@link startSimulatedTpm}. */
  constructor(paths: SimulatorPaths) {
    this.paths = paths
  }

  /** The process, while it runs. */
  get pid(): number | undefined {
    return this.#process?.pid
  }

  /** For tpm2-tools. */
  get tcti(): string {
    return this.transport().tcti
  }

  transport(): SwtpmTransport {
    return new SwtpmTransport(this.paths.socket)
  }

  /** A connection of its own; the caller closes it. */
  connect(options: TpmOptions = {}): Tpm {
    return new Tpm(this.transport(), options)
  }

  /** Starts a stopped TPM; returns once it answers. @throws SimulatorError */
  async start(mode: StartMode = 'clear'): Promise<void> {
    if (this.#process) return
    const { state, socket, control, log } = this.paths
    await Promise.all([rm(socket, { force: true }), rm(control, { force: true })])
    const output = openSync(log, 'a')
    // setpriv becomes swtpm, with the parent-death signal set: no TPM is left when its parent is killed.
    const child = spawn(
      'setpriv',
      [
        '--pdeathsig=KILL',
        'swtpm',
        'socket',
        '--tpm2',
        `--tpmstate=dir=${state},mode=0600`,
        `--server=type=unixio,path=${socket},mode=0600`,
        `--ctrl=type=unixio,path=${control},mode=0600`,
        `--flags=not-need-init,startup-${mode}`,
      ],
      { stdio: ['ignore', output, output] },
    )
    closeSync(output)
    this.#process = child
    this.#exited = new Promise(resolve => {
      const gone = () => {
        if (this.#process === child) this.#process = undefined
        resolve()
      }
      child.once('exit', gone)
      child.once('error', gone)
    })
    await this.#ready()
  }

  /** Shuts down in order, so that the TPM's clock stays safe. */
  async stop(): Promise<void> {
    if (!this.#process) return
    this.resume()
    await this.#quietly(tpm => tpm.shutdown('clear'))
    await shutDown(this.paths.control).catch(() => this.kill())
    await this.#exited
  }

  /** SIGKILL, as when the machine loses power: the next start reports `safe: false` for some seconds. */
  async kill(): Promise<void> {
    this.#process?.kill('SIGKILL')
    await this.#exited
  }

  /** The process ends and a new one goes on: `clear` is a reboot, `state` a suspend and resume with the PCRs kept. */
  async restart(mode: StartMode = 'clear'): Promise<void> {
    await this.#quietly(tpm => tpm.shutdown(mode))
    await shutDown(this.paths.control).catch(() => this.kill())
    await this.#exited
    await this.start(mode)
  }

  /**
   * A reboot of the host with the same process: PCRs at their reset values, resetCount one more.
   *
   * @param startupLocality 3 for a platform whose firmware starts the TPM from locality 3: PCR 0 then begins with it
   * @param orderly false as when the power fails
   */
  async reset(options: { startupLocality?: 0 | 3; orderly?: boolean } = {}): Promise<void> {
    if (options.orderly !== false) await this.#quietly(tpm => tpm.shutdown('clear'))
    await initialise(this.paths.control)
    const locality = options.startupLocality ?? 0
    if (locality !== 0) await setLocality(this.paths.control, locality)
    await this.startUp()
    if (locality !== 0) await setLocality(this.paths.control, 0)
  }

  /** The power goes and comes back, and nothing starts the TPM up: every command fails with TPM_RC_INITIALIZE. */
  powerCycle(): Promise<void> {
    return initialise(this.paths.control)
  }

  /** TPM2_Startup(CLEAR), as firmware sends it. */
  async startUp(): Promise<void> {
    // Not through Tpm, which begins with commands that a TPM refuses before it is started up.
    const transport = this.transport()
    try {
      const command = startupCommand('clear')
      parseResponse(command, [], await transport.transmit(marshalCommand(command, []), 5_000))
    } finally {
      await transport.close()
    }
  }

  /** The TPM stops to answer (SIGSTOP). */
  hang(): void {
    this.#process?.kill('SIGSTOP')
  }

  /** The TPM answers again (SIGCONT). */
  resume(): void {
    this.#process?.kill('SIGCONT')
  }

  /** Puts another TPM in its place, at the same socket: other seeds, other EKs, empty NV, the same CA. */
  async replace(): Promise<void> {
    await this.kill()
    await manufacture(this.paths)
    await this.start()
  }

  async #ready(): Promise<void> {
    const until = Date.now() + 10_000
    for (;;) {
      if (!this.#process) throw new SimulatorError('NOT_RUNNING', `swtpm ended; see ${this.paths.log}`)
      const tpm = this.connect({ commandTimeoutMs: 1_000 })
      try {
        await tpm.vendor()
        return
      } catch (cause) {
        if (Date.now() > until) {
          await this.kill()
          throw new SimulatorError('NOT_RUNNING', `swtpm does not answer; see ${this.paths.log}`, { cause })
        }
      } finally {
        await tpm.close()
      }
      await new Promise(resolve => setTimeout(resolve, 10))
    }
  }

  /** What is only politeness may fail: the TPM may be dead, hung or not started up. */
  async #quietly(body: (tpm: Tpm) => Promise<void>): Promise<void> {
    const tpm = this.connect({ commandTimeoutMs: 1_000 })
    await body(tpm).catch(() => undefined)
    await tpm.close()
  }
}

/**
 * Starts a simulated TPM below `dir` (made if absent), and manufactures it first unless there is one already.
 *
 * @param dir absolute, short enough for a socket's path; spaces are fine
 * @throws SimulatorError
 */
export async function startSimulatedTpm(options: { dir: string; mode?: StartMode }): Promise<SimulatedTpm> {
  const paths = simulatorPaths(options.dir)
  if (!(await isManufactured(paths))) await manufacture(paths)
  const tpm = new SimulatedTpm(paths)
  await tpm.start(options.mode)
  return tpm
}
