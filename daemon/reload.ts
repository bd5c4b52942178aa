import type { Logger } from 'pino'
import { configBytes } from '../configuration/daemon-file.ts'
import { ConfigError } from '../configuration/problem.ts'
import { readConfig } from '../configuration/read-file.ts'
import type { Config, ReloadedKey } from '../configuration/schema.ts'
import { takeOver } from '../configuration/take-over.ts'
import { WritError } from '../encoding/error.ts'
import type { Lineage } from '../lineage/index.ts'
import type { Recorder } from './recorder.ts'
import { rfc3339 } from './recorder.ts'
import type { Settings } from './settings.ts'

export interface ReloadOptions {
  /** The configuration file. */
  readonly path: string
  readonly settings: Settings
  readonly lineage: Pick<Lineage, 'putBlob'>
  readonly recorder: Recorder
  readonly attestor: { cycle(): Promise<unknown>; retime(): void }
  readonly sealing: { retime(): void; soon(): void }
  readonly gate: { expire(): void }
  readonly log: Logger
  readonly levels: { configure(): void }
  /** Tells the service manager (sd_notify(3)). */
  readonly notify: (state: string) => void
  /** Called after whatever shows in the status has changed. */
  readonly changed: () => void
}

/**
 * Reads the configuration file again and puts in force what a running daemon can take over: read and checked as a whole → compared with what is
 * in force → recorded, durably → in force, in one step. What goes wrong before the last step changes nothing. The file as a whole is refused for
 * anything in it that is wrong, and a key that needs a restart keeps its value.
 */
export class Reload {
  readonly #o: ReloadOptions
  #running: Promise<void> | undefined
  #again = false

  constructor(options: ReloadOptions) {
    this.#o = options
  }

  /** Reloads now, or once more when a reload is under way: it may have read the file before it was changed. Never rejects. */
  soon(): Promise<void> {
    this.#again = true
    this.#running ??= this.#all().finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  /** Resolves when no reload is under way. */
  async settled(): Promise<void> {
    await this.#running
  }

  async #all(): Promise<void> {
    const { notify, settings, changed } = this.#o
    while (this.#again) {
      this.#again = false
      // Type=notify-reload waits for READY after a RELOADING that is newer than its signal; Node's clock is CLOCK_MONOTONIC.
      notify(`RELOADING=1\nMONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`)
      const refusal = await this.#once()
      settings.report = { ...settings.report, reloadTime: rfc3339(Date.now()), refusal }
      const said = refusal === null ? 'configuration in force' : `configuration file refused: ${refusal}`
      notify(`READY=1\nSTATUS=${said}`)
      changed()
    }
  }

  /** @returns why nothing was changed; null if it went well */
  async #once(): Promise<string | null> {
    const { path, settings, log } = this.#o
    try {
      const { config, changed, waiting, problem } = takeOver(settings.whole, readConfig(path))
      if (problem !== null) throw new ConfigError(problem.code, problem.message, problem)
      const entry = changed.length === 0 ? null : await this.#putInForce(config, changed)
      settings.report = { ...settings.report, waiting }
      log.info(
        { changed, digest: settings.digest, entry: entry && String(entry) },
        'configuration read again',
      )
      if (waiting.length > 0) log.warn({ waiting }, 'changed in the file, and in force after a restart only')
      return null
    } catch (error) {
      const { code, message } = describe(error)
      log.error({ code, reason: message }, 'the configuration stays as it is')
      return error instanceof ConfigError ? shortly(error) : code
    }
  }

  async #putInForce(config: Config, changed: readonly ReloadedKey[]): Promise<bigint> {
    const { settings, lineage, recorder, attestor, levels } = this.#o
    const { maxEvidenceAgeSeconds } = config.attestation
    // A shorter age is no reason to end what runs, if the host can still show that it is as it should be.
    if (maxEvidenceAgeSeconds < settings.now.attestation.maxEvidenceAgeSeconds) await attestor.cycle()
    const digest = await lineage.putBlob(configBytes(config))
    const entry = await recorder.record({ type: 'config', digest, changed })
    settings.replace(config)
    settings.report = { ...settings.report, entry, time: rfc3339(Date.now()) }
    levels.configure()
    this.#tell(changed)
    return entry
  }

  /** Those who do not look at the settings by themselves. */
  #tell(changed: readonly ReloadedKey[]): void {
    const { attestor, sealing, gate } = this.#o
    const has = (prefix: string) => changed.some(name => name.startsWith(prefix))
    if (has('attestation.cycle_seconds')) attestor.retime()
    if (has('attestation.max_evidence_age_seconds')) gate.expire()
    if (has('lineage.')) sealing.retime()
    sealing.soon()
  }
}

/** For everybody who may ask for the status: where, but no value of the file. */
function shortly({ code, key, line }: ConfigError): string {
  return [code, ...(key === undefined ? [] : [key]), ...(line === undefined ? [] : [`line ${line}`])].join(
    ', ',
  )
}

function describe(error: unknown): { code: string; message: string } {
  const message = error instanceof Error ? error.message : String(error)
  return { code: error instanceof WritError ? error.code : 'INTERNAL', message }
}
