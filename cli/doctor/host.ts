import { dirname, join } from 'node:path'
import type { EventLog } from '../../attestation/index.ts'
import { type ExaminedConfig, examineConfig, type PartialConfig } from '../../configuration/daemon-file.ts'
import {
  type ExaminedLauncherConfig,
  examineLauncherConfig,
  type LauncherConfig,
} from '../../configuration/launcher-file.ts'
import type { AttestationStatus } from '../../proto/generated/writ/v1/AttestationStatus.ts'
import { PACKAGED_COMPONENTS } from '../components.ts'
import {
  type BootFacts,
  type ClockFacts,
  type ImaFacts,
  type Look,
  lookFurther,
  type Probes,
  readBoot,
  readContainer,
  readEventLog,
  readIma,
  seen,
  unseen,
  valueIn,
} from '../probe/index.ts'
import { DEFAULT_STATE_DIRECTORY } from '../state-directory.ts'
import { type Accounts, readAccounts } from './accounts.ts'

/** What is looked at more than once, looked at once. */
export class Host {
  readonly probes: Probes
  readonly configPath: string
  readonly launcherPath: string
  readonly #kept = new Map<string, Promise<unknown>>()

  constructor(probes: Probes, configPath: string) {
    this.probes = probes
    this.configPath = configPath
    this.launcherPath = join(dirname(configPath), 'launchd.conf')
  }

  /** What writd's configuration says. */
  config(): Promise<Look<ExaminedConfig>> {
    return this.#once('config', async () =>
      lookFurther(await this.probes.files.read(this.configPath), examineConfig),
    )
  }

  /** The values of writd's configuration: the defaults where there is none, nothing of one that is not TOML or cannot be read. */
  async values(): Promise<Look<PartialConfig>> {
    const config = await this.config()
    if (!config.seen) return config.why === 'missing' ? seen(examineConfig(Buffer.alloc(0)).values) : config
    const { values, problems } = config.value
    return problems.some(({ code }) => code === 'CONFIG_SYNTAX')
      ? unseen('failed', 'the configuration is not TOML')
      : seen(values)
  }

  launcherConfig(): Promise<Look<ExaminedLauncherConfig>> {
    return this.#once('launcher', async () => {
      const bytes = await this.probes.files.read(this.launcherPath)
      if (!bytes.seen) return bytes
      const accounts = await this.accounts()
      // Nothing is wrong with the file then, and it is not the one that is missing.
      if (!accounts.seen) return unseen('unsupported', accounts.reason, accounts.code)
      const find = (name: string) => accounts.value.users.find(user => user.name === name) ?? null
      return seen(examineLauncherConfig(bytes.value, find))
    })
  }

  /** What launchd.conf says, where nothing is wrong with it. */
  async launcher(): Promise<Look<LauncherConfig>> {
    const examined = await this.launcherConfig()
    if (!examined.seen) return examined
    const { config } = examined.value
    return config === null ? unseen('failed', 'launchd.conf is wrong') : seen(config)
  }

  accounts(): Promise<Look<Accounts>> {
    return this.#once('accounts', () => readAccounts(this.probes.files))
  }

  async stateDirectory(): Promise<Look<string>> {
    return lookFurther(await this.values(), ({ daemon }) => daemon.stateDirectory ?? DEFAULT_STATE_DIRECTORY)
  }

  boot(): Promise<Look<BootFacts>> {
    return this.#once('boot', () => readBoot(this.probes.files))
  }

  /** The kind of container that this runs in; null: the host itself. */
  container(): Promise<Look<string | null>> {
    return this.#once('container', () => readContainer(this.probes.files))
  }

  clock(): Promise<Look<ClockFacts>> {
    return this.#once('clock', () => this.probes.kernel.clock())
  }

  eventLog(): Promise<Look<EventLog>> {
    return this.#once('event log', async () =>
      readEventLog(this.probes.files, valueIn(await this.launcher())?.event_log ?? undefined),
    )
  }

  ima(): Promise<Look<ImaFacts>> {
    return this.#once('IMA', async () =>
      readIma(
        this.probes.files,
        PACKAGED_COMPONENTS.map(([, path]) => path),
        valueIn(await this.launcher())?.ima_log ?? undefined,
      ),
    )
  }

  status(): Promise<Look<AttestationStatus>> {
    return this.#once('status', () => this.probes.daemon.status())
  }

  #once<T>(name: string, look: () => Promise<T>): Promise<T> {
    const kept = (this.#kept.get(name) ?? look()) as Promise<T>
    this.#kept.set(name, kept)
    return kept
  }
}
