import { configDigest } from '../configuration/daemon-file.ts'
import type { Config, KeyName, ReloadedConfig } from '../configuration/schema.ts'
import type { RetentionLimits } from '../lineage/index.ts'
import type { OutputFileLimits } from './output-files.ts'
import type { OutputTailLimits } from './output-tails.ts'
import type { QuotaLimits } from './rpc/quota.ts'
import type { SealingOptions } from './sealing.ts'

/** What is to be known about the configuration in force, for the status. */
export interface ConfigReport {
  /** The lineage's entry that says which it is. */
  readonly entry: bigint
  /** Since when it is in force, RFC 3339. */
  readonly time: string
  /** Keys that the file has another value for, which comes with the next start. */
  readonly waiting: readonly KeyName[]
  /** When the file was read again, the last time; null: never. */
  readonly reloadTime: string | null
  /** Why that changed nothing; null if it went well. */
  readonly refusal: string | null
}

/**
 * The configuration in force. It is replaced as a whole by one assignment, so that nobody ever sees half of a change; whoever uses a value
 * that a reload changes reads it here at each use, or is told by whoever reloads (daemon/reload.ts).
 */
export class Settings {
  #config: Config
  #digest: string
  #governors: ReadonlySet<number>
  #auditors: ReadonlySet<number>
  report: ConfigReport = { entry: 0n, time: '', waiting: [], reloadTime: null, refusal: null }

  constructor(config: Config) {
    this.#config = config
    this.#digest = configDigest(config)
    this.#governors = new Set(config.access.governors)
    this.#auditors = new Set(config.access.auditors)
  }

  /** What a reload changes, as it is now. */
  get now(): ReloadedConfig {
    return this.#config
  }

  /** All of it, for the comparison with another. */
  get whole(): Config {
    return this.#config
  }

  /** Names the configuration in force (configuration/daemon-file.ts). */
  get digest(): string {
    return this.#digest
  }

  /** Puts another configuration in force, all of it or (when this throws) nothing. */
  replace(config: Config): void {
    const next = new Settings(config)
    this.#digest = next.#digest
    this.#governors = next.#governors
    this.#auditors = next.#auditors
    this.#config = config
  }

  get maxEvidenceAgeNs(): bigint {
    return BigInt(this.now.attestation.maxEvidenceAgeSeconds) * 1_000_000_000n
  }

  /** Always those in force. */
  quotaLimits(): QuotaLimits {
    return live({
      requestsPerSecond: () => this.now.quota.requestsPerSecond,
      requestBurst: () => this.now.quota.requestBurst,
      bytesPerSecond: () => this.now.quota.bytesPerSecond,
      byteBurst: () => this.now.quota.byteBurst,
      connections: () => this.now.quota.connections,
      calls: () => this.now.quota.calls,
    })
  }

  /** Always those in force; timers that were set by them have to be set anew. */
  sealingOptions(): SealingOptions {
    return live({
      checkpointMs: () => this.now.lineage.checkpointSeconds * 1000,
      checkpointEntries: () => BigInt(this.now.lineage.checkpointEntries),
      counterMs: () => this.now.lineage.counterMinutes * 60_000,
    })
  }

  /** Always those in force. */
  retentionLimits(): RetentionLimits {
    return live({
      maxBytes: () => this.now.lineage.evidenceMaxBytes,
      minAgeMs: () => this.now.lineage.evidenceMinDays * 86_400_000,
    })
  }

  /** Always those in force; they count for tails that begin. */
  outputTailLimits(): OutputTailLimits {
    return live({
      tailBytes: () => this.now.execution.outputTailBytes,
      totalBytes: () => this.now.execution.outputTailTotalBytes,
      maxExecutions: () => this.now.execution.maxExecutions,
    })
  }

  /** Always those in force; the share of one execution counts for those that begin. */
  outputFileLimits(): OutputFileLimits {
    return live({
      fileBytes: () => this.now.execution.outputFileBytes,
      totalBytes: () => this.now.execution.outputFileTotalBytes,
      maxExecutions: () => this.now.execution.maxExecutions,
      keptMs: () => this.now.execution.outputFileDays * 86_400_000,
    })
  }

  /** What a uid is configured to be, now. */
  rolesOf(uid: number): { governor: boolean; auditor: boolean } {
    return { governor: this.#governors.has(uid), auditor: this.#auditors.has(uid) }
  }
}

/** An object whose properties are read anew at each look. */
export function live<T extends object>(readers: { readonly [K in keyof T]: () => T[K] }): T {
  const object = {}
  for (const [name, get] of Object.entries(readers)) {
    Object.defineProperty(object, name, { get: get as () => unknown, enumerable: true })
  }
  return object as T
}

/** Adds properties that are read anew at each look to an object of fixed ones. */
export function withLive<F extends object, T extends object>(
  fixed: F,
  readers: { readonly [K in keyof T]: () => T[K] },
): F & T {
  return Object.defineProperties({ ...fixed }, Object.getOwnPropertyDescriptors(live<T>(readers))) as F & T
}
