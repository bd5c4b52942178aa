import type { Logger } from 'pino'
import type { Tier } from '../attestation/index.ts'
import type { StartConfig } from '../configuration/schema.ts'
import type { Lineage } from '../lineage/index.ts'
import type { PrivateKey } from '../signing/key.ts'
import type { Attestor } from './attestor.ts'
import type { Decider } from './decider.ts'
import type { DecisionLog } from './decision-log.ts'
import type { EvidenceRetention } from './evidence-retention.ts'
import type { ExecutionRegistry } from './execution-registry.ts'
import type { Executor } from './executor.ts'
import type { TrustGate } from './gate.ts'
import type { Governance } from './governance.ts'
import type { Leaving } from './hand-over/leave.ts'
import type { History } from './history/history.ts'
import type { Snapshots } from './history/snapshots.ts'
import type { Host } from './host.ts'
import type { LauncherClient } from './launcher/client.ts'
import type { Instruments } from './metrics/instruments.ts'
import type { OutputFiles } from './output-files.ts'
import type { OutputTails } from './output-tails.ts'
import type { Receipts } from './receipts.ts'
import type { Recorder } from './recorder.ts'
import type { Renewals } from './renewals.ts'
import type { Scrub } from './scrub.ts'
import type { Sealing } from './sealing.ts'
import type { Settings } from './settings.ts'
import type { ValidityWatch } from './validity-watch.ts'
import type { WallClock } from './wall-clock.ts'

/** The parts of a running daemon, put together. It decides nothing itself. */
export interface DaemonParts {
  readonly config: StartConfig
  /** What a reload changes. */
  readonly settings: Settings
  readonly log: Logger
  readonly instruments: Instruments
  readonly host: Host
  readonly tier: Tier
  readonly sessionKey: PrivateKey
  readonly lineage: Lineage
  readonly recorder: Recorder
  readonly history: History
  readonly clock: WallClock
  readonly gate: TrustGate
  readonly launcher: LauncherClient
  readonly registry: ExecutionRegistry
  readonly tails: OutputTails
  /** Output of detached executions. */
  readonly files: OutputFiles
  readonly decisions: DecisionLog
  readonly decider: Decider
  readonly executor: Executor
  readonly leaving: Leaving
  readonly renewals: Renewals
  readonly governance: Governance
  readonly validity: ValidityWatch
  readonly attestor: Attestor
  readonly sealing: Sealing
  readonly scrub: Scrub
  readonly retention: EvidenceRetention
  readonly snapshots: Snapshots
  readonly receipts: Receipts
  readonly startedTime: string
  /** Entry by which an operator accepted the lineage as it was found; null in every other start. */
  readonly acceptedIndex: bigint | null
  /** Called after whatever shows in the status has changed. */
  onStatusChange: () => void
}
